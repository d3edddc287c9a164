"""Have embeddings become worse? Differences of two models on the same samples, with intervals, held to limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from fullrank.diagnosis.diagnose import diagnose
from fullrank.diagnosis.report import Report
from fullrank.errors import CollapseError, UserError, suggest
from fullrank.metrics import Estimate, cka, jackknife_difference, knn_overlap
from fullrank.metrics.measure import of_spectrum, of_unit
from fullrank.metrics.names import NAMES
from fullrank.metrics.rows import pair_sample
from fullrank.metrics.uncertainty import FEWEST_GROUPS
from fullrank.stats import Moments
from fullrank.stats.sketch import Sketch

Side = Mapping[str, Any]  # the JSON of a report
_Function = Callable[[Moments], Mapping[str, float]]
Limits = Mapping[str, tuple[Literal["drop", "rise"], float, bool]]  # way, amount, whether it is a share of the old
Verdict = Literal["regressed", "same", "better", "undetermined"]
MAX_DROP = {"relative_spread": "10%", "effective_rank": "10%", "participation_ratio": "10%"}  # ours
MAX_RISE = {"mean_cosine": "0.05"}  # ours
_ABOUT = ("source", "n", "dims", "verdict", "kind", "sentence")
_UNLIKE, _BY_CHANCE = 0.05, 3  # CKA, and times the overlap of 10 neighbors by chance, of rows that do not correspond


@dataclass(frozen=True)
class Change:
    """One number of the old and of the new embeddings.

    low, high: 95 % interval of the difference new - old; None where there is none. limit: how far it may move the bad
    way (negative: down), None if it is not held to any. verdict: of the limit; None without one.
    """

    name: str
    title: str
    old: float
    new: float
    difference: float
    low: float | None
    high: float | None
    limit: float | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Comparison:
    """What `compare` found; cka and knn_overlap are None unless the rows may be the same samples.

    old, new: source, n, dims, verdict, kind and sentence of either report, and the spectrum (D,), empty if unknown.
    """

    verdict: Verdict
    sentence: str
    changes: tuple[Change, ...]
    paired: bool
    cka: float | None
    knn_overlap: float | None
    old: Mapping[str, Any]
    new: Mapping[str, Any]

    def _repr_html_(self) -> str:
        """What a notebook shows: the sentence, and every number that is held to a limit."""
        held = "".join(
            f"<li>{one.verdict}: {escape(one.title)}: {one.old:.3g} to {one.new:.3g}.</li>"
            for one in self.changes
            if one.verdict is not None
        )
        return f"<p><b>{escape(self.sentence)}</b></p>" + (f"<ul>{held}</ul>" if held else "")

    def to_json(self) -> dict[str, Any]:
        """All of it as a dict that JSON can hold."""
        return {"schema": 1, "fullrank": version("fullrank"), **asdict(self)}

    def to_html(self, path: str | Path) -> None:
        """Write one self-contained HTML page."""
        from fullrank.report.comparison.page import write_comparison

        write_comparison(self.to_json(), Path(path))

    def raise_for_status(self) -> None:
        """CollapseError, an AssertionError, with the sentence if the verdict is "regressed"."""
        if self.verdict == "regressed":
            raise CollapseError(self.sentence)


def compare(
    old: object,
    new: object,
    *,
    max_drop: Mapping[str, float | str] | None = None,
    max_rise: Mapping[str, float | str] | None = None,
    profile: str = "generic",
) -> Comparison:
    """Are the new embeddings worse than the old ones, by more than the limits?

    old, new: embeddings (N, D) of the same samples in the same order, of any widths; or reports, or the JSON of one.
    Of as many samples the intervals are those of the paired difference; of others, of independent ones. max_drop,
    max_rise: how far a measurement may move down or up, as a number or as a share of the old one ("10%"). By default
    ours: relative spread, effective rank and participation ratio may drop by 10 %, the mean cosine rise by 0.05. A
    limit is broken when the whole interval is beyond it, and undetermined when the interval spans it; without an
    interval the value decides, but at different N nothing does. A new collapse is a regression whatever the limits
    say. UserError for a measurement that is none.
    Blind to: which samples changed places; that is what `knn_overlap` and `cka` of the result tell.

    >>> import torch, fullrank
    >>> z = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    >>> fullrank.compare(z, z + 2).verdict, fullrank.compare(z, 2 * z).verdict
    ('regressed', 'same')
    """
    limits = check_limits(max_drop, max_rise)
    reports = [side if isinstance(side, Report | Mapping) else diagnose(side, profile=profile) for side in (old, new)]
    a, b = (side.to_json() if isinstance(side, Report) else side for side in reports)
    pair = _pair([side.sketch for side in reports if isinstance(side, Report)])
    intervals = {} if pair is None else _intervals(*pair)
    changes = _changes(a, b, limits, intervals)
    verdict, sentence = _verdict(a, b, changes)
    alike = overlap = None
    if pair is not None:
        first, second = (pair_sample(side.sample.rows[:, 0].double(), seed=0) for side in pair)
        alike, overlap = cka(first, second), knn_overlap(first, second)
        if alike < _UNLIKE and overlap < _BY_CHANCE * 10 / len(first):
            sentence += " The rows seem not to be the same samples in the same order: neighbors agree by chance only."
    before, after = ({name: side[name] for name in _ABOUT} | {"spectrum": spectrum_of(side)} for side in (a, b))
    return Comparison(verdict, sentence, tuple(changes), pair is not None, alike, overlap, before, after)


def spectrum_of(side: Side) -> list[float]:
    """The eigenvalues of a report's JSON, largest first; none if it has no figures."""
    return list(side.get("figures", {}).get("spectrum", {}).get("eigenvalue", []))


def limit_of(name: str, amount: float | str, flag: str) -> tuple[float, bool]:
    """An amount, and whether it is a share of the old value.

    >>> limit_of("effective_rank", "10%", "max_drop")
    (0.1, True)
    """
    if name not in NAMES:
        hint = suggest(name, NAMES, otherwise=f"pass one of {', '.join(NAMES)}.")
        raise UserError(f"There is no measurement {name!r} for {flag}: {hint}")
    text = str(amount)
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not (number >= 0 and math.isfinite(number)):
        raise UserError(f"{flag} of {name} is {amount!r}: pass a number such as 0.05, or a share such as 10%.")
    return (number / 100, True) if text.endswith("%") else (number, False)


def check_limits(drops: Mapping[str, float | str] | None, rises: Mapping[str, float | str] | None) -> Limits:
    """The limits by measurement, ours if there are none; UserError for one that is none."""
    if not drops and not rises:
        drops, rises = MAX_DROP, MAX_RISE
    found: dict[str, tuple[Literal["drop", "rise"], float, bool]] = {}
    found |= {name: ("drop", *limit_of(name, amount, "max_drop")) for name, amount in (drops or {}).items()}
    both = [name for name in (rises or {}) if name in found]
    if both:
        raise UserError(f"{both[0]} has a limit to its drop and to its rise: pass one of them.")
    return found | {name: ("rise", *limit_of(name, amount, "max_rise")) for name, amount in (rises or {}).items()}


def _pair(sketches: Sequence[Sketch]) -> tuple[Sketch, Sketch] | None:
    """Both sketches if their groups and samples are of the same numbered rows."""
    if len(sketches) != 2:
        return None
    old, new = sketches
    sizes = [[group.n for group in side.raw] for side in sketches]
    same = old.sample.rows.shape[:2] == new.sample.rows.shape[:2] and bool((old.sample.index == new.sample.index).all())
    return (old, new) if same and sizes[0] == sizes[1] else None


def _intervals(old: Sketch, new: Sketch) -> dict[str, Estimate]:
    """Differences of what moments determine, by leaving out the same samples of both."""
    kinds: list[tuple[_Function, Sequence[Moments], Sequence[Moments]]] = [(of_spectrum, old.raw, new.raw)]
    if old.directed and new.directed:
        kinds.append((of_unit, old.unit, new.unit))
    found: dict[str, Estimate] = {}
    for function, before, after in kinds:
        groups = [[group for group in side if group.n > 0] for side in (before, after)]
        if len(groups[0]) >= FEWEST_GROUPS:
            found |= jackknife_difference(function, *groups)
    return found


def _changes(old: Side, new: Side, limits: Limits, intervals: Mapping[str, Estimate]) -> list[Change]:
    before, after = ({row["name"]: row for row in side["measurements"]} for side in (old, new))
    missing = [name for name in limits if name not in before or name not in after]
    if missing and limits.keys() - MAX_DROP.keys() - MAX_RISE.keys():
        raise UserError(f"{missing[0]} was not measured on both sides: leave out its limit, or pass what it needs.")
    names = [name for name in before if name in after and None not in (before[name]["value"], after[name]["value"])]
    order = sorted(names, key=lambda name: name not in limits)  # stable: those with a limit first
    found = [_change(before[name], after[name], limits.get(name), intervals.get(name)) for name in order]
    if old["n"] == new["n"]:
        return found
    biased = [change.verdict is not None and change.low is None for change in found]  # by N, how much is not known
    return [replace(one, verdict="undetermined") if bias else one for one, bias in zip(found, biased, strict=True)]


def _change(
    old: Side, new: Side, limit: tuple[Literal["drop", "rise"], float, bool] | None, paired: Estimate | None
) -> Change:
    difference = new["value"] - old["value"]
    low, high = _paired_ends(difference, paired) if paired is not None else _independent_ends(old, new)
    way, amount, relative = limit or ("drop", 0.0, False)
    allowed = (amount * abs(old["value"]) if relative else amount) * (-1 if way == "drop" else 1)
    judged = _judge(difference, low, high, allowed, way) if limit is not None else None
    shown = None if limit is None else allowed
    return Change(old["name"], old["title"], old["value"], new["value"], difference, low, high, shown, judged)


def _paired_ends(difference: float, found: Estimate) -> tuple[float | None, float | None]:
    """At equal N, so around the difference itself, not corrected for the bias that both values have."""
    reach = (found.high - found.low) / 2
    return (difference - reach, difference + reach) if math.isfinite(reach) else (None, None)


def _independent_ends(old: Side, new: Side) -> tuple[float | None, float | None]:
    ends = [side[end] for side in (old, new) for end in ("low", "high")]
    if None in ends:
        return None, None
    middle = (ends[2] + ends[3] - ends[0] - ends[1]) / 2
    reach = math.hypot(ends[1] - ends[0], ends[3] - ends[2]) / 2
    return middle - reach, middle + reach


def _judge(
    difference: float, low: float | None, high: float | None, allowed: float, way: Literal["drop", "rise"]
) -> Verdict:
    """The verdict of one limit; better means by more than the limit, the good way."""
    low, high = (difference if low is None else low), (difference if high is None else high)
    if way == "rise":  # the same, turned round
        low, high, allowed = -high, -low, -allowed
    if high < allowed:
        return "regressed"
    if low < allowed:
        return "undetermined"
    return "better" if low > -allowed and low > 0 else "same"


def _verdict(old: Side, new: Side, changes: Sequence[Change]) -> tuple[Verdict, str]:
    by_verdict: dict[Verdict | None, list[Change]] = {}
    for change in changes:
        by_verdict.setdefault(change.verdict, []).append(change)
    if new["verdict"] == "collapsed" != old["verdict"]:
        return "regressed", f"Regressed: the new embeddings have collapsed, the old ones had not. {new['sentence']}"
    for verdict, word in (("regressed", "Regressed"), ("undetermined", "Undetermined"), ("better", "Better")):
        if verdict in by_verdict:
            return verdict, f"{word}: {'; '.join(_words(change) for change in by_verdict[verdict])}."
    held = ", ".join(change.title for change in by_verdict.get("same", [])) or "nothing was held to a limit"
    return "same", f"The same, within the limits: {held}."


def _words(change: Change) -> str:
    moved = f"{change.title} went from {change.old:.4g} to {change.new:.4g}"
    interval = ""
    if change.verdict == "undetermined" and change.low is not None:
        interval = f", 95 % interval of the change {change.low:.2g} to {change.high:.2g}"
    elif change.verdict == "undetermined":
        interval = ", but the numbers of samples differ and there is no interval"
    return f"{moved} (limit of the change {change.limit:+.2g}{interval})"
