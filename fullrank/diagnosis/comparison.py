"""Whether new embeddings are of the same model, rows or distribution, and whether they have become worse, by limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from fullrank.diagnosis.diagnose import diagnose
from fullrank.diagnosis.limits import Change, Outcome, changes, check_limits, eased, intervals, unmeasured, words
from fullrank.diagnosis.report import Report, Side, common_profile, saved_side, spectrum_of
from fullrank.diagnosis.sameness import (
    EXPECTATIONS,
    FEWEST,
    LIMITS,
    Check,
    Expectation,
    Question,
    amount,
    check_broken,
    check_distribution,
    check_rows,
    same_rows,
    say_broken,
    say_difference,
)
from fullrank.errors import CollapseError, UserError, suggest
from fullrank.stats.sketch import Sketch

SCHEMA = 2  # of the JSON; docs/comparison.schema.json
_HAIR = 0.01  # share by which a number moves at least, or a new verdict is not reported
_ASKS: Mapping[Expectation, Question] = {
    "same-model": "correspondence",
    "same-rows": "correspondence",
    "same-distribution": "distribution",
}
_ABOUT = ("source", "n", "dims", "verdict", "kind", "sentence")


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        outcome: "same", "different", "regressed" or "undecided".
        sentence: The outcome in words.
        expect: What the new embeddings were expected to be, None where neither side has rows.
        checks: Correspondence, structure and distribution.
        changes: Rank, spread and every other number of the two reports.
        unasked: Questions that were not asked, with the reason.
        paired: Whether the rows were taken for the same samples.
        old, new: Source, n, dims, verdict, kind and sentence of either report, which are those of `diagnose`, and the
            spectrum (D,), empty if unknown.
    """

    outcome: Literal["different"] | Outcome
    sentence: str
    expect: Expectation | None
    checks: tuple[Check, ...]
    changes: tuple[Change, ...]
    unasked: tuple[tuple[str, str], ...]
    paired: bool
    old: Mapping[str, Any]
    new: Mapping[str, Any]

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentence, and every number that is held to a limit."""
        held = [f"{one.outcome}: {escape(one.title)}: {amount(one.value, 3)}" for one in self.checks if one.outcome]
        held += [
            f"{one.outcome}: {escape(one.title)}: {one.old:.3g} to {one.new:.3g}" for one in self.changes if one.outcome
        ]
        listed = "".join(f"<li>{one}.</li>" for one in held)
        return f"<p><b>{escape(self.sentence)}</b></p>" + (f"<ul>{listed}</ul>" if held else "")

    def to_json(self) -> dict[str, Any]:
        """All of it as a dict for JSON, by docs/comparison.schema.json; what is not finite is None."""
        content = {"schema": SCHEMA, "fullrank": version("fullrank"), **asdict(self)}
        for check in content["checks"]:
            for name in ("value", "chance"):
                check[name] = check[name] if check[name] is not None and math.isfinite(check[name]) else None
        content["unasked"] = [{"question": question, "because": because} for question, because in self.unasked]
        return content

    def to_html(self, path: str | Path) -> None:
        """Write one self-contained HTML page."""
        from fullrank.report.comparison.page import write_comparison

        write_comparison(self.to_json(), Path(path))

    def raise_for_status(self) -> None:
        """Raise a CollapseError, which is an AssertionError, with the sentence if the outcome is "different" or
        "regressed".
        """
        if self.outcome in ("different", "regressed"):
            raise CollapseError(self.sentence)


def compare(
    old: object,
    new: object,
    *,
    expect: Expectation | None = None,
    max_drop: Mapping[str, float | str] | None = None,
    max_rise: Mapping[str, float | str] | None = None,
    profile: str | None = None,
) -> Comparison:
    """Compare new embeddings with old ones: are they what is expected, and not worse by more than the limits?

    Of the same rows the intervals are those of the paired difference; of others, of independent ones. A limit is broken
    when the whole interval is beyond it, and undecided when the interval spans it. Without an interval the value
    decides, but at different N nothing does. Between other rows, our own limits are broken or not, never undecided, and
    numbers without an interval are not held to them. A new collapse is a regression whatever the limits are.
    docs/comparison.md shows what each expectation checks, and from which measured values on it says "different".

    Args:
        old: Embeddings (N, D) of any width, a report (`diagnose(z, groups=...)` keeps the groups), or the JSON of one.
        new: The same for the new side.
        expect: "same-model": the same samples in the same order, embedded by the same model except for a rotation, a
            scale and rounding. "same-rows": the same samples by any model, such as a new seed. "same-distribution":
            other samples of the same model. By default same-model where there are as many rows, else
            same-distribution.
        max_drop: How far a measurement may fall, by name, as a number or as a share of the old one ("10%"). By default
            relative spread, effective rank and participation ratio may drop by 10 %.
        max_rise: How far a measurement may rise; by default the mean cosine by 0.05.
        profile: What made the embeddings, as in `fullrank.diagnose`; by default that of the reports, else generic.

    Raises:
        UserError: A measurement, expectation or profile is unknown, the reports are of two profiles, a measurement with
            a limit that was passed is not there, or these rows cannot answer the expectation.

    Blind to: a few rows that changed places (fewer than 1 in 100); what moves less than the limits.

    >>> import torch, fullrank
    >>> z = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    >>> fullrank.compare(z, 2 * z.flip(1)).outcome, fullrank.compare(z, z.flip(0)).outcome
    ('same', 'different')
    """
    limits = check_limits(max_drop, max_rise)
    check_expectation(expect)
    reports = _reports(old, new, profile)
    a, b = (side.to_json() if isinstance(side, Report) else side for side in reports)
    given = bool(max_drop or max_rise)
    missing = unmeasured(a, b, limits, given=given)
    sketches = [side.sketch for side in reports if isinstance(side, Report)]
    paired = len(sketches) == 2 and same_rows(*sketches)
    expected = _expected(expect, sketches, paired)
    paired = paired and expected != "same-distribution"
    checks, unasked = _checks(expected, sketches)
    why = dict(unasked).get(_ASKS[expected]) if expected else None
    silent = f"{expect} was not checked: {why}" if expect and why else None
    unasked += tuple(missing)
    moved = changes(a, b, limits, intervals(*sketches) if paired else None)
    if not (paired or given):
        moved, spared = eased(moved, others=expected == "same-distribution")
        unasked += tuple(spared)
    outcome, sentence = _outcome(a, b, checks, moved, silent)
    before, after = ({name: side[name] for name in _ABOUT} | {"spectrum": spectrum_of(side)} for side in (a, b))
    return Comparison(outcome, sentence, expected, checks, tuple(moved), unasked, paired, before, after)


def _reports(old: object, new: object, profile: str | None) -> list[Report | Side]:
    """Both sides as reports or the JSON of reports, judged as one profile."""
    named = {"old": old, "new": new}
    sides = {
        name: saved_side(side, f"The {name} side") if isinstance(side, Mapping) else side
        for name, side in named.items()
    }
    judged = common_profile(profile, [side for side in sides.values() if isinstance(side, Report | Mapping)])
    return [side if isinstance(side, Report | Mapping) else diagnose(side, profile=judged) for side in sides.values()]


def check_expectation(expect: str | None) -> None:
    """Raise a UserError for an unknown expectation."""
    if expect is not None and expect not in EXPECTATIONS:
        hint = suggest(expect, EXPECTATIONS, otherwise=f"pass one of {', '.join(EXPECTATIONS)}.")
        raise UserError(f"There is no expectation {expect!r}: {hint}")


def _expected(expect: Expectation | None, sketches: Sequence[Sketch], paired: bool) -> Expectation | None:
    """The expectation that these rows can answer; a UserError if it is not the one that was asked for."""
    if len(sketches) < 2:
        if expect is not None:
            raise UserError(f"A report keeps no rows, so that {expect} cannot be told: pass the embeddings themselves.")
        return None
    if expect in ("same-model", "same-rows") and not paired:
        sizes = " and ".join(f"{side.n:,}" for side in sketches)
        raise UserError(f"There are {sizes} rows, which cannot be {expect}: pass same-distribution for other samples.")
    return expect or ("same-model" if paired else "same-distribution")


def _checks(
    expected: Expectation | None, sketches: Sequence[Sketch]
) -> tuple[tuple[Check, ...], tuple[tuple[str, str], ...]]:
    """The numbers that the expectation asks for; the questions that were not asked, with the reason."""
    if expected is None:
        because = "a saved report keeps no rows"
        return (), tuple((question, because) for question in ("correspondence", "structure", "distribution"))
    broken = check_broken(sketches[0], sketches[1], expected)
    if expected == "same-distribution":
        because = "the rows are taken for other samples"
        unasked = [("correspondence", because), ("structure", because)]
        checks = (*broken, *check_distribution(sketches[0], sketches[1], expected))
        if checks == broken:
            widths = [side.sample.rows.shape[2] for side in sketches]
            few = "there are too few rows or groups for a permutation"
            why = few if widths[0] == widths[1] else f"the widths differ, {widths[0]} and {widths[1]}"
            unasked.append(("distribution", why))
        return checks, tuple(unasked)
    checks = (*broken, *check_rows(sketches[0], sketches[1], expected))
    if checks == broken:
        because = f"there are fewer than {FEWEST} different rows"
        return broken, (("correspondence", because), ("structure", because))
    asked = {check.question for check in checks}
    return checks, () if "distribution" in asked else (("distribution", "the rows are the same samples"),)


def _outcome(
    old: Side, new: Side, checks: Sequence[Check], moved: Sequence[Change], silent: str | None
) -> tuple[Literal["different"] | Outcome, str]:
    if _has_collapsed(old, new):
        return "regressed", f"Regressed: the new embeddings have collapsed, the old ones had not. {new['sentence']}"
    by_outcome: dict[Outcome | None, list[Change]] = {}
    for change in moved:
        by_outcome.setdefault(change.outcome, []).append(change)
    found = {outcome: "; ".join(words(change) for change in some) for outcome, some in by_outcome.items() if outcome}
    if silent:
        found["undecided"] = "; ".join([silent, *filter(None, [found.get("undecided")])])
    if any(check.outcome == "different" for check in checks):
        also = f" Regressed too: {found['regressed']}." if "regressed" in found else ""
        return "different", f"Different: {say_difference(checks)}{also}"
    also = _index(checks) + say_broken(checks)
    for outcome, word in (("regressed", "Regressed"), ("undecided", "Undecided"), ("better", "Better")):
        if outcome in found:
            return outcome, f"{word}: {found[outcome]}.{also}"
    held: list[str] = [*dict.fromkeys(check.question for check in checks if check.outcome)]
    held += [change.title for change in by_outcome.get("same", [])]
    return "same", f"The same, within the limits: {', '.join(held) or 'no limit was checked'}.{also}"


def _has_collapsed(old: Side, new: Side) -> bool:
    """Whether the new side is collapsed, the old one was not, and the evidence has moved by more than 1 %.

    A verdict alone may depend on a tiny difference: dimensions that a ReLU left dead are expected only while no value
    is negative.
    """
    if new["verdict"] != "collapsed" or old["verdict"] == "collapsed":
        return False
    before, after = ({row["name"]: row["value"] for row in side["measurements"]} for side in (old, new))
    shown = {one["evidence"][0] for one in new.get("findings", []) if one["severity"] == "fail"}  # others are gates
    pairs = [(before.get(name), after.get(name)) for name in shown]
    moved = [one is None or two is None or abs(two - one) > _HAIR * max(abs(one), abs(two)) for one, two in pairs]
    return any(moved) or not shown


def _index(checks: Sequence[Check]) -> str:
    """Whether vectors of both sides can be searched together, in a sentence; nothing where that was not measured."""
    found = {check.name: check for check in checks}
    if "index_overlap" not in found:
        return ""
    overlap, cosine, after = (found[name].value for name in ("index_overlap", "matched_cosine", "turned_cosine"))
    if overlap >= LIMITS["same-model"]["shared_neighbors"]:
        return ""
    return (
        f" An index of the old vectors cannot be searched with the new ones, which find {overlap:.0%} of the old "
        f"neighbors in it (cosine of old and new vectors {cosine:.2f}, {after:.2f} after a rotation)."
    )
