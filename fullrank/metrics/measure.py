"""From a sketch to named measurements: those of moments have intervals, and the others come from the sample."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from fullrank.metrics import MEASUREMENTS
from fullrank.metrics._pairs import PAIRS, chosen
from fullrank.metrics.cloud import Cloud
from fullrank.metrics.measured import about, measured, of_groups
from fullrank.metrics.pair_uncertainty import alignment_estimate, pair_estimates
from fullrank.metrics.record import MOST, Measured, Measurement, Measurements, Of
from fullrank.metrics.summary import what_follows
from fullrank.metrics.uncertainty import FEWEST_GROUPS, Estimate
from fullrank.runs.former import by_todays_names
from fullrank.stats import Distinct, Moments
from fullrank.stats.sketch import Sketch

__all__ = ["PAIRS", "RECORDS", "Measured", "Measurements", "measure", "measured_row"]

_OF_ZEROS = ("zero_rows", "row_norm", "duplicate_rows", "different_rows", "commonest_row", "classes")
RECORDS = {record.name: record for record in MEASUREMENTS if record.group is not None}


def measure(
    sketch: Sketch, *, labels: Tensor | None = None, modalities: bool = False, seed: int = 0
) -> dict[str, Measured]:
    """Everything that a diagnosis measures of a sketch, by name; what does not apply is left out.

    Metrics of pairs see the first view of at most 2,048 samples of the sketch.

    Args:
        sketch: The sketch of the rows.
        labels: Codes (N,) of the classes of all samples.
        modalities: Whether the two views are those of two modalities, such as images and texts.
        seed: Decides every random draw.

    >>> import torch
    >>> from fullrank.stats.sketch import sketch
    >>> z = torch.randn(400, 16, generator=torch.Generator().manual_seed(0))
    >>> rank = measure(sketch([z]))["participation_ratio"]
    >>> 15 < rank.low <= rank.value <= 16, rank.null
    (True, 16.0)
    """
    index, rows = sketch.sample.index, sketch.sample.rows.transpose(0, 1)  # (V, k, D)
    kept, dims = chosen(len(index), seed=seed), rows.shape[2]
    some = index[kept]
    views = [Cloud(view[kept], seed=seed + number) for number, view in enumerate(rows)]
    found = of_moments(sketch)
    if sketch.directed:  # before what looks at pairs, which takes memory too
        found |= of_directions(sketch)
    else:  # moments of directions are not those of directions alone, and the sample's stand
        found |= _asked("directions", [views[0]], some, dims)
    turned = cloud_of_pairs(sketch, seed=seed)
    found |= _of_sketch(sketch) | _counted(sketch, turned, some)
    found |= _asked("rows", [views[0]], some, dims, turned=turned)
    if len(views) > 1:
        found |= _asked("pair", views[:2], some, dims) | _asked("views", [rows[:, kept]], some, dims)
    if modalities and len(views) == 2:
        found |= _asked("modalities", views, some, dims)
    if labels is not None and len(labels[index].unique()) > 1:
        found |= _asked("labels", [Cloud(rows[0], seed=seed, labels=labels[index])], index, dims)
    found = _with_derived(found, sketch.n, dims)
    for name, estimate in of_pairs(sketch, seed=seed).items():
        if name in found:
            found[name] = about(RECORDS[name], found[name], estimate)
    return found


def cloud_of_pairs(sketch: Sketch, *, seed: int = 0) -> Cloud:
    """At most 2,048 rows of the first view, in as few axes as rows where rows are fewer than dimensions."""
    found = sketch.memo.get(("pairs", seed))
    if not isinstance(found, Cloud):
        found = Cloud(sketch.first_views(chosen(len(sketch.sample.index), seed=seed)), seed=seed)
        sketch.memo["pairs", seed] = found
    return found


def measured_row(row: Mapping[str, float | None]) -> dict[str, Measured]:
    """The measurements of a monitor row, and what follows from them; rows of version 0.1.0 are read too.

    >>> found = measured_row({"participation_ratio": 8.0, "std": 0.9, "n": 100, "dims": 8})
    >>> found["dimension_std"].value, found["decay_exponent"].value < 1e-6
    (0.9, True)
    """
    n, dims = int(row["n"] or 0), int(row["dims"] or 0)
    values = {name: value for name, value in by_todays_names(row).items() if value is not None}
    values |= what_follows(values, n, dims)
    found = {name: measured(record, values[name], n, dims) for name, record in RECORDS.items() if name in values}
    return _with_derived(found, n, dims)


def of_moments(sketch: Sketch) -> dict[str, Measured]:
    """The metrics that the moments of the rows determine, with intervals where there are 5 groups of rows."""
    whole = sketch.total
    some = sketch.sample.rows.flatten(0, 1)
    cloud = Cloud(whole, rows=None if whole.axes is None else some, some=some)
    return of_groups(_records("moments", whole.n, whole.dims), sketch.raw, cloud, sketch.groups, units=sketch.units)


def of_directions(sketch: Sketch) -> dict[str, Measured]:
    """The metrics that the moments of the rows at length 1 determine; none of the rows may be zero."""
    whole = sketch.total_unit
    return of_groups(
        _records("directions", whole.n, whole.dims), sketch.unit, Cloud(whole), sketch.groups, units=sketch.units
    )


def of_hashes(distinct: Distinct, dims: int) -> Measured:
    """The share of the rows that repeat another: m - 1 of m copies. It has an interval if it is an estimate."""
    different, error = distinct.count()
    ends = (1 - (different + reach * error) / distinct.n for reach in (1.96, 0, -1.96))
    low, value, high = (max(end, 0.0) for end in ends)
    found = measured(RECORDS["duplicate_rows"], value, distinct.n, dims)
    return replace(found, low=low, high=high) if error else found


def of_pairs(sketch: Sketch, *, seed: int = 0) -> dict[str, Estimate]:
    """The error bars of metrics of pairs of the sample, where they are known; none below 5 groups."""
    rows = sketch.sample.rows.transpose(0, 1)
    kept = chosen(rows.shape[1], seed=seed)
    groups = sketch.sample_groups[kept]
    if len(groups.unique()) < FEWEST_GROUPS:
        return {}
    found = pair_estimates(cloud_of_pairs(sketch, seed=seed), groups, seed=seed)
    if len(rows) > 1:
        found["alignment"] = alignment_estimate(rows[0, kept], rows[1, kept], groups)
    return {name: one for name, one in found.items() if math.isfinite(one.standard_error)}


def of_spectrum(z: Moments, *, head: bool = False) -> dict[str, float]:
    """The smooth metrics of the moments of the rows; head: also `head_weight`, even of few rows."""
    cloud = Cloud(z)
    records = (one for one in RECORDS.values() if one.of == "moments" and one.interval == "jackknife")
    return {one.name: one.function(cloud) for one in records if (head or not one.per_dim) and not one.scales}


def of_unit(u: Moments) -> dict[str, float]:
    """The smooth metrics of the moments of rows at length 1."""
    cloud = Cloud(u)
    return {one.name: one.function(cloud) for one in RECORDS.values() if one.of == "directions"}


def _records(of: Of, n: int, dims: int) -> list[Measurement]:
    return [one for one in RECORDS.values() if one.of == of and n >= one.per_dim * dims]


def _asked(
    of: Of, arguments: Sequence[Cloud | Tensor], index: Tensor, dims: int, *, turned: Cloud | None = None
) -> dict[str, Measured]:
    """What each record that takes such arguments measures of them, by the numbers `index` (k,) of their rows.

    turned: the rows in other axes, for what a rotation does not change.
    """
    found, n = {}, len(index)
    for record in _records(of, n, dims):
        given = [turned] if turned is not None and record.rotates else arguments
        value = float(record.function(*given))
        if math.isnan(value):
            continue
        null = None if record.beside is None else record.beside(*given)
        which = torch.empty(0, dtype=torch.int64) if record.which is None else record.which(*given).cpu()
        numbers = index[which] if record.which_are == "rows" else which
        found[record.name] = measured(record, value, n, dims, null=null, sampled=n, which=numbers.tolist())
    return found


def _of_sketch(sketch: Sketch) -> dict[str, Measured]:
    """What a sketch measures of all rows: how many it left out, and which."""
    n, dims = sketch.n // sketch.sample.rows.shape[1] + sketch.left_out, sketch.total.dims
    values = {one: one.function(sketch) for one in _records("sketch", n, dims)}
    return {
        one.name: measured(one, value, n, dims, which=() if one.which is None else one.which(sketch))
        for one, value in values.items()
        if not math.isnan(value)
    }


def _counted(sketch: Sketch, some: Cloud, index: Tensor) -> dict[str, Measured]:
    """What a sketch counts of all rows, with those of the sample among them."""
    n = sketch.n // sketch.sample.rows.shape[1] + sketch.left_out
    zeros = measured(RECORDS["zero_rows"], sketch.zero_rows / n, n, some.dims, which=sketch.zero_index.tolist())
    copies = of_hashes(sketch.distinct, some.dims)
    which = RECORDS["duplicate_rows"].which
    if which is not None and copies.value > 0:
        copies = replace(copies, which=tuple(index[which(some).cpu()].tolist())[:MOST])
    return {"zero_rows": zeros, "duplicate_rows": copies} | _used(sketch.distinct, some)


def _used(distinct: Distinct, some: Cloud) -> dict[str, Measured]:
    """How rows that are equal in every value are used, of all rows; of the sample where a file does not hold it."""
    use, names = distinct.use(), ("different_rows", "lone_rows", "code_use")
    if use is None:
        values = [RECORDS[name].function(some) for name in names]
        return {
            name: measured(RECORDS[name], value, some.n, some.dims, sampled=some.n)
            for name, value in zip(names, values, strict=True)
        }
    values = [distinct.count()[0], *use]
    return {name: measured(RECORDS[name], one, distinct.n, some.dims) for name, one in zip(names, values, strict=True)}


def _all_zero(found: Measurements) -> bool:
    """Whether there are zero vectors only, which have no direction, and no norm to compare a spread with."""
    if "zero_rows" in found:
        return found["zero_rows"].value == 1
    return "row_norm" in found and found["row_norm"].value == 0


def _with_derived(found: dict[str, Measured], n: int, dims: int) -> dict[str, Measured]:
    """The measurements, with those that follow from others, in order, without what zeros leave undefined."""
    if _all_zero(found):
        found = {name: found[name] for name in _OF_ZEROS if name in found}
        found["zero_rows"] = found.get("zero_rows", measured(RECORDS["zero_rows"], 1.0, n, dims))
    elif "zero_rows" in found and found["zero_rows"].value >= 0.5:  # then they stay, and have no cosines
        found.pop("mean_cosine", None)
    for name, record in RECORDS.items():
        one = record.function(found, n, dims) if record.of == "derived" else None
        if one is not None:
            found[name] = one
    return {name: found[name] for name in RECORDS if name in found}
