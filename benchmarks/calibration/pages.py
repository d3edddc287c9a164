"""docs/calibration.md between its marks, the result file, and the list of what is wrong on the tuning half."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from .verdicts import CALLED, Answer, by_ruin, rates, to_json

START, END = "<!-- {name}: written by `python -m benchmarks.calibration verdicts` -->", "<!-- end -->"
_ROUNDS = ("seventh", "sixth", "fifth", "fourth", "third", "second")
HALVES = (*(f"{number} held-out" for number in _ROUNDS), "held-out", "tuning")
_DUTIES = {"must": "must be found", "name": "must be named", "may": "either", "harmless": "must not be called"}
RESULT = Path("results") / "calibration"


def write_page(answers: Sequence[Answer], docs: Path, *, name: str = "calibration") -> None:
    """The tables into docs/calibration.md, in place of those of this name before, and every answer as JSON."""
    result = docs / RESULT / ("verdicts.json" if name == "calibration" else f"{name}.json")
    result.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(one) for one in to_json(answers))
    result.write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    page, start = docs / "calibration.md", START.format(name=name)
    before, _, rest = (page.read_text(encoding="utf-8") if page.exists() else f"{start}\n{END}\n").partition(start)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{start}\n\n{tables(answers)}\n{END}{after}", encoding="utf-8")


def tables(answers: Sequence[Answer]) -> str:
    """Rates by profile on both halves, and what was said of each ruin."""
    return "\n".join([_rates(answers), _ruins(answers), _sources(answers)])


def _rates(answers: Sequence[Answer]) -> str:
    lines = [
        "| half | profile | must not be called | false alarms | undetermined | must be found | missed | undetermined "
        "| right kind |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    own = [one for one in answers if one.profile == one.set.profile]
    for half in (one for one in HALVES if one in {answer.set.half for answer in answers}):
        for profile in (*sorted({one.set.profile for one in own if one.set.half == half}), None):
            mine = [one for one in own if profile in (None, one.set.profile)]
            lines.append(_line(mine, half, profile or "**all, each under its own**"))
        lines.append(_line([one for one in answers if one.profile == "generic"], half, "all under `generic`"))
    return "\n".join([*lines, ""])


def _line(answers: Sequence[Answer], half: str, title: str) -> str:
    one = rates(answers, half=half)
    alarms = f"{one.false_alarms} ({_share(one.false_alarms, one.harmless)})"
    missed = f"{one.missed} ({_share(one.missed, one.ruined)})"
    return (
        f"| {half} | {title} | {one.harmless} | {alarms} | {one.harmless_undetermined} | {one.ruined} | {missed} "
        f"| {one.ruined_undetermined} | {one.kind_right} of {one.kind_known} |"
    )


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"


def _ruins(answers: Sequence[Answer]) -> str:
    lines = [
        "| what was done | grade | duty | collapsed | degraded | undetermined | healthy |",
        "|---|---|---|---|---|---|---|",
    ]
    for (ruin, grade, duty), states in by_ruin(answers).items():
        healthy = sum(states.values()) - sum(states[state] for state in (*CALLED, "undetermined"))
        counts = [str(states[state]) for state in ("collapsed", "degraded", "undetermined")]
        lines.append(f"| {ruin} | {grade} | {_DUTIES[duty]} | {' | '.join(counts)} | {healthy} |")
    return "\n".join([*lines, ""])


def _sources(answers: Sequence[Answer]) -> str:
    lines = ["| embeddings | half | size | profile | duty | verdict |", "|---|---|---|---|---|---|"]
    for one in answers:
        if one.profile == one.set.profile and one.set.ruin == "as it is":
            size = f"{one.set.n:,} x {one.set.dims:,}"
            duty = "open" if one.set.duty == "may" else _DUTIES[one.set.duty]
            verdict = one.state + (f" ({one.kind})" if one.kind else "")
            lines.append(f"| {one.set.source} | {one.set.half} | {size} | {one.set.profile} | {duty} | {verdict} |")
    return "\n".join([*lines, ""])


def tuning_page(answers: Sequence[Answer]) -> str:
    """Every false alarm and miss of the tuning half under the own profile, by the rule that decided."""
    own = [one for one in answers if one.set.half == "tuning" and one.profile == one.set.profile]
    wrong = [("false alarms", [one for one in own if one.false_alarm]), ("missed", [one for one in own if one.missed])]
    wrong.append(
        ("undetermined, and must be found", [o for o in own if o.set.duty == "must" and o.state == "undetermined"])
    )
    lines = []
    for title, found in wrong:
        lines.append(f"## {title}: {len(found)}\n")
        lines += [
            f"- {one.set.name} [{one.set.n} x {one.set.dims}, {one.profile}] {one.state}: {one.deciding}"
            for one in sorted(found, key=lambda one: one.deciding)
        ]
        lines.append("")
    return "\n".join(lines)
