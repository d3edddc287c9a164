"""How far measurements may move: differences of two reports, with intervals, compared with limits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fullrank.diagnosis.report import Side
from fullrank.errors import UserError, suggest
from fullrank.metrics import Estimate, jackknife_difference
from fullrank.metrics._left_out import FEW_APART, same_samples
from fullrank.metrics.measure import RECORDS, of_spectrum, of_unit
from fullrank.metrics.uncertainty import FEWEST_GROUPS
from fullrank.stats import Moments
from fullrank.stats.sketch import Sketch

_Function = Callable[[Moments], Mapping[str, float]]
Limits = Mapping[str, tuple[Literal["drop", "rise"], float, bool]]  # way, amount, whether it is a share of the old
Outcome = Literal["regressed", "same", "better", "undecided"]
MAX_DROP = {"relative_spread": "10%", "effective_rank": "10%", "participation_ratio": "10%"}  # ours
MAX_RISE = {"mean_cosine": "0.05"}  # ours


@dataclass(frozen=True)
class Change:
    """One number of the old and of the new embeddings.

    Attributes:
        low, high: 95 % interval of the difference new - old; None where there is none.
        limit: How far it may move in the bad direction (negative: down), None if there is no limit.
        outcome: The outcome of the limit; None without one.
    """

    name: str
    title: str
    old: float
    new: float
    difference: float
    low: float | None
    high: float | None
    limit: float | None
    outcome: Outcome | None


def limit_of(name: str, amount: float | str, flag: str) -> tuple[float, bool]:
    """An amount, and whether it is a share of the old value.

    >>> limit_of("effective_rank", "10%", "max_drop")
    (0.1, True)
    """
    if name not in RECORDS:
        hint = suggest(name, RECORDS, otherwise=f"pass one of {', '.join(RECORDS)}.")
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
    """The limits by measurement, ours if there are none; an unknown measurement raises a UserError."""
    for flag, given in (("max_drop", drops), ("max_rise", rises)):
        if given is not None and not isinstance(given, Mapping):
            raise UserError(f"{flag} is {given!r}: pass limits by measurement, as in {{'effective_rank': '5%'}}.")
    if not drops and not rises:
        drops, rises = MAX_DROP, MAX_RISE
    found: dict[str, tuple[Literal["drop", "rise"], float, bool]] = {}
    found |= {name: ("drop", *limit_of(name, amount, "max_drop")) for name, amount in (drops or {}).items()}
    both = [name for name in (rises or {}) if name in found]
    if both:
        raise UserError(f"{both[0]} has a limit to its drop and to its rise: pass one of them.")
    return found | {name: ("rise", *limit_of(name, amount, "max_rise")) for name, amount in (rises or {}).items()}


def intervals(old: Sketch, new: Sketch) -> dict[str, Estimate]:
    """Differences of what moments determine, leaving out the same samples of both; none if the groups do not match."""
    if not same_samples([group.n for group in old.raw], [group.n for group in new.raw]):
        return {}
    kinds: list[tuple[_Function, Sequence[Moments], Sequence[Moments]]] = [(of_spectrum, old.raw, new.raw)]
    if old.directed and new.directed:
        kinds.append((of_unit, old.unit, new.unit))
    found: dict[str, Estimate] = {}
    for function, before, after in kinds:
        groups = [(a, b) for a, b in zip(before, after, strict=True) if a.n > 0 and b.n > 0]
        if len(groups) >= FEWEST_GROUPS:
            found |= jackknife_difference(function, [a for a, _ in groups], [b for _, b in groups])
    return found


def unmeasured(old: Side, new: Side, limits: Limits, *, given: bool) -> list[tuple[str, str]]:
    """The limits of what was not measured on both sides, and why they are not checked; a UserError if they were given.

    given: whether somebody asked for these limits, so that leaving one out would pass what was to be held.
    """
    known = [{row["name"] for row in side["measurements"] if row["value"] is not None} for side in (old, new)]
    missing = [name for name in limits if name not in known[0] & known[1]]
    if missing and given:
        raise UserError(f"{missing[0]} was not measured on both sides: leave out its limit, or pass what it needs.")
    return [(RECORDS[name].title, "it was not measured on both sides") for name in missing]


def changes(old: Side, new: Side, limits: Limits, paired: Mapping[str, Estimate] | None) -> list[Change]:
    """Every number that both reports have, those with a limit first.

    paired: the intervals of `intervals`; None where the rows are of other samples. Of the same samples, a few that one
    side leaves out change a number no more than leaving them out of both would.
    """
    before, after = ({row["name"]: row for row in side["measurements"]} for side in (old, new))
    names = [name for name in before if name in after and None not in (before[name]["value"], after[name]["value"])]
    order = sorted(names, key=lambda name: name not in limits)  # stable: those with a limit first
    found = [_change(before[name], after[name], limits.get(name), (paired or {}).get(name)) for name in order]
    if old["n"] == new["n"] or (paired is not None and abs(old["n"] - new["n"]) <= FEW_APART * max(old["n"], new["n"])):
        return found
    biased = [change.outcome is not None and change.low is None for change in found]  # by N, how much is not known
    return [replace(one, outcome="undecided") if bias else one for one, bias in zip(found, biased, strict=True)]


def eased(found: Sequence[Change], *, others: bool) -> tuple[list[Change], list[tuple[str, str]]]:
    """Changes between rows that are not paired, for default limits; and the limits that were not checked, and why.

    A number that may have moved beyond its limit, but need not have, counts as the same; one that depends on the number
    of rows is not judged. others: whether they are known to be other samples, so that chance moves a number without an
    interval, too.
    """
    why = {one.title: reason for one in found if (reason := _spared(one, others=others))}
    held = [replace(one, limit=None, outcome=None) if one.title in why else one for one in found]
    return [replace(one, outcome="same") if one.outcome == "undecided" else one for one in held], [*why.items()]


def _spared(change: Change, *, others: bool) -> str:
    """Why a number is not held to its limit; empty where it is."""
    if change.outcome is None or change.low is not None:
        return ""
    if change.outcome == "undecided":
        return "it depends on the number of rows, which differs"
    return "it has no interval, and the samples are others" if others else ""


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
) -> Outcome:
    """The outcome of one limit; better means by more than the limit, in the good direction."""
    low, high = (difference if low is None else low), (difference if high is None else high)
    if way == "rise":  # the same, turned round
        low, high, allowed = -high, -low, -allowed
    if high < allowed:
        return "regressed"
    if low < allowed:
        return "undecided"
    return "better" if low > -allowed and low > 0 else "same"


def words(change: Change) -> str:
    """What moved, from where to where, beside its limit."""
    moved = f"{change.title} went from {change.old:.4g} to {change.new:.4g}"
    interval = ""
    if change.outcome == "undecided" and change.low is not None:
        interval = f", 95 % interval of the change {change.low:.2g} to {change.high:.2g}"
    elif change.outcome == "undecided":
        interval = ", but the numbers of samples differ and there is no interval"
    return f"{moved} (limit of the change {change.limit:+.2g}{interval})"
