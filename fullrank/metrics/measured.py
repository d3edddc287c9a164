"""A measured number from its record, and its interval by leaving out groups of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from fullrank.metrics.cloud import Cloud
from fullrank.metrics.of_units import participation_of_groups
from fullrank.metrics.participation import PARTICIPATION_RATIO
from fullrank.metrics.record import MOST, Measured, Measurement, Measurements
from fullrank.metrics.uncertainty import FEWEST_GROUPS, Estimate, jackknife_all
from fullrank.stats import Moments

_ENOUGH = 8  # rows a dimension from which the jackknife's interval of a biased number holds (benchmarks/jackknife.py)
_AT_BOUND = 1e-6  # of a number: this near to the end of its range it is there


def measured(
    record: Measurement,
    value: float,
    n: int,
    dims: int,
    *,
    null: float | None = None,
    sampled: int | None = None,
    which: Iterable[int] = (),
) -> Measured:
    """A measurement without an interval, of n rows in `dims` dimensions, with its healthy value and its null."""
    if null is None and record.expected is not None:
        null = record.expected(n, dims)
    named = tuple(int(number) for number in which)[:MOST]
    return Measured(record.name, value, None, None, null, record.healthy(dims), sampled, named)


def of_groups(
    records: Sequence[Measurement], groups: Sequence[Moments], whole: Cloud, count: int, *, units: int | None = None
) -> dict[str, Measured]:
    """What the records measure of `whole`, with intervals where they are valid, from its groups; `count` have rows.

    Groups are made whenever they are asked for, as those of a sketch, and are written to. units: of how many whose
    rows were sampled together.
    """
    n, dims = whole.n, whole.dims
    found = {}
    sure = enough(n if units is None else units, dims)
    smooth = [one for one in records if one.interval == "jackknife" and (sure or not one.biased)]
    if count >= FEWEST_GROUPS and whole.moments is not None:
        found = _with_intervals(smooth, groups, whole.moments, count, together=units is not None)
    for record in records:
        if record.name not in found:
            found[record.name] = measured(record, float(record.function(whole)), n, dims)
        if record.which is not None:
            which = tuple(int(number) for number in record.which(whole))[:MOST]
            found[record.name] = replace(found[record.name], which=which)
    return {name: one for name, one in found.items() if not math.isnan(one.value)}


def enough(n: int, dims: int) -> bool:
    """Whether there are enough rows, or units of rows, for the jackknife's intervals of biased numbers to be valid.

    >>> enough(800, 100), enough(700, 100)
    (True, False)
    """
    return n >= _ENOUGH * dims


def about(record: Measurement, one: Measured, found: Estimate) -> Measured:
    """A measurement with an interval about its value, which depends on the number of rows."""
    reach = (found.high - found.low) / 2
    return replace(one, low=max(one.value - reach, record.range[0]), high=min(one.value + reach, record.range[1]))


def _with_intervals(
    records: Sequence[Measurement], groups: Sequence[Moments], whole: Moments, count: int, *, together: bool
) -> dict[str, Measured]:
    n, dims = whole.n, whole.dims

    def ask(part: Moments) -> dict[str, float]:
        cloud = Cloud(part)
        return {one.name: one.function(cloud) for one in records}

    estimates = jackknife_all(ask, groups, whole=whole, anew=True)
    if together and PARTICIPATION_RATIO.name in estimates:
        estimates[PARTICIPATION_RATIO.name] = participation_of_groups(groups, whole)
    centers = {one.name: _center(one, estimates[one.name], dims) for one in records}
    found = {}
    for one in records:
        follows = math.nan if one.follows is None else one.follows(centers, n, dims)
        center = centers[one.name] if math.isnan(follows) else follows
        found[one.name] = _interval(one, estimates[one.name], center, n, dims, count)
    rank = found.get(PARTICIPATION_RATIO.name)
    return found | _of_rank(records, found, rank, n, dims) if together and rank is not None else found


def _of_rank(
    records: Sequence[Measurement], found: Measurements, rank: Measured, n: int, dims: int
) -> dict[str, Measured]:
    """What follows from the rank alone, from one end of its interval to the other."""
    more = {}
    for one in records:
        ends = [one.follows({rank.name: end}, n, dims) for end in (rank.low, rank.high) if one.follows and end]
        if ends and not math.isnan(ends[0]):
            more[one.name] = replace(found[one.name], low=min(ends), high=max(ends))
    return more


def _center(record: Measurement, found: Estimate, dims: int) -> float:
    """The value without its bias, within its range; it stays at an end of the range, and where its bias would be larger
    than all that sets it apart from a collapse, as of a few rows that decide it: no bias is smooth there.
    """
    least, most = record.range[0], record.most(dims)
    if any(abs(found.value - end) <= _AT_BOUND * max(1.0, abs(end)) for end in (least, most) if math.isfinite(end)):
        return found.value
    beyond = found.corrected > most if record.direction == "low" else found.corrected < least
    return found.value if beyond else min(max(found.corrected, least), most)


def _interval(record: Measurement, found: Estimate, center: float, n: int, dims: int, groups: int) -> Measured:
    reach = (found.high - found.low) / 2
    center = min(max(center, record.range[0]), record.most(dims))  # beyond it by rounding
    low, high = max(center - reach, record.range[0]), min(center + reach, record.most(dims))
    null = None if record.expected is None else _corrected(record.expected, n, dims, groups)
    if null is not None:
        null = min(max(null, record.range[0]), record.most(dims))
    return replace(measured(record, center, n, dims, null=null), low=low, high=high)


def _corrected(expected: Callable[[int, int], float], n: int, dims: int, groups: int) -> float:
    """What perfect data of this size gives when its bias is removed as that of the value is."""
    rest = n - round(n / groups)
    return expected(n, dims) + (groups - 1) * (expected(n, dims) - expected(rest, dims))
