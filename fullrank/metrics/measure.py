"""From a sketch to named measurements: everything of the moments with an interval, copies, the rest from the sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from torch import Tensor

from fullrank.metrics import (
    METRICS,
    Estimate,
    alignment_estimate,
    alpha_req,
    dead_dimensions,
    dimension_gap,
    dims_for_variance,
    duplicate_dimensions,
    iso_score,
    isotropic_hill,
    jackknife_all,
    pair_estimates,
    rogue_dimension,
    self_cluster,
    spectrum_auc,
    summarize_moments,
    w2_uniformity,
)
from fullrank.metrics.dimensions import largest_jump
from fullrank.metrics.names import NAMES
from fullrank.metrics.rows import chosen, measure_labels, measure_rows, measure_towers, measure_views
from fullrank.metrics.summary import shape_of_ranks
from fullrank.metrics.uncertainty import FEWEST_GROUPS
from fullrank.runs import former
from fullrank.stats import Distinct, Moments, merge, spectrum
from fullrank.stats.sketch import Sketch

_RANKS = {"effective_rank", "rankme", "rankme_centered", "participation_ratio", "nesum", "stable_rank"}  # 1 to D
FEW_NEGATIVE = 0.01  # share of negative values up to which features are those of a ReLU (ours)
_BIASED = {"effective_rank", "rankme", "rankme_centered", "rank_share", "head_weight", "w2_uniformity"}
_ENOUGH = 8  # rows a dimension from which the jackknife's interval of a biased number holds (benchmarks/jackknife.py)
_RANGE = dict.fromkeys(_RANKS, (1.0, math.inf)) | {
    **dict.fromkeys(("relative_spread", "rank_share", "dimension_std"), (0.0, 1.0)),
    "mean_cosine": (-1.0, 1.0),
    "decay_exponent": (0.0, 8.0),
    "w2_uniformity": (0.0, math.sqrt(2)),
    "self_cluster": (-1.0, 1.0),
    "uniformity": (-8.0, 0.0),
    "hyperspherical_energy": (0.25, math.inf),
    "two_nn": (0.0, math.inf),
    "alignment": (0.0, 4.0),
}
_WHICH = 20  # numbers of rows that are told
_EXPECTED = {metric.name: metric for metric in METRICS if metric.expected is not None}


@dataclass(frozen=True)
class Measured:
    """One number about the embeddings; what it is called and how it was computed is in `names.NAMES`.

    value: of all rows, or of a sample of `sampled` rows. low, high: 95 % interval of the distribution's value, with
    the bias of order 1/N corrected, or of what samples of `sampled` rows give on average; None where there is none, or
    where it would be wrong. null: what perfect data of this size would give, or for hubs and contrast, Gaussian data of
    the same spectrum. healthy: the ideal value, None where there is none. which:
    the numbers of the rows, dimensions or classes that it is about, worst first, at most 20.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None
    null: float | None = None
    healthy: float | None = None
    sampled: int | None = None
    which: tuple[int, ...] = ()


Measurements = Mapping[str, Measured]


def measure(
    sketch: Sketch, *, labels: Tensor | None = None, towers: bool = False, seed: int = 0
) -> dict[str, Measured]:
    """Everything that a diagnosis knows of a sketch, by name; what does not apply is left out.

    labels: codes (N,) of the classes of all samples. towers: the two views are those of two towers, as of images and
    texts. What looks at pairs sees the first view, of at most 2,048 samples of the sketch.

    >>> import torch
    >>> from fullrank.stats.sketch import sketch
    >>> z = torch.randn(400, 16, generator=torch.Generator().manual_seed(0))
    >>> rank = measure(sketch([z]))["participation_ratio"]
    >>> 15 < rank.low < rank.value <= 16, rank.null
    (True, 16.0)
    """
    rows = sketch.sample.rows.transpose(0, 1).double()  # (V, k, D)
    found = of_moments(sketch) | of_single_rows(sketch)
    found["duplicate_rows"] = of_hashes(sketch.distinct, rows.shape[2])
    sampled = measure_rows(rows[0], seed=seed)
    sampled["negative_share"] = float((rows[0] < 0).double().mean()), None, rows.shape[1]
    if sketch.directed:  # else moments of directions are not those of directions alone, and the sample's stand
        found |= of_directions(sketch.unit)
    if len(rows) > 1:
        sampled |= measure_views(rows, seed=seed)
    if towers and len(rows) == 2:
        sampled |= measure_towers(rows[0], rows[1], seed=seed)
    if labels is not None:
        sampled |= measure_labels(rows[0], labels[sketch.sample.index], seed=seed)
    for name, (value, null, used) in sampled.items():
        if name not in found:
            found[name] = measured(name, value, sketch.n, rows.shape[2], null=null, sampled=used)
    for name, estimate in of_pairs(sketch, seed=seed).items():
        found[name] = _about(found[name], estimate)
    found |= _derived(found, sketch.n, rows.shape[2])
    return {name: found[name] for name in NAMES if name in found}


def measured_row(row: Mapping[str, float]) -> dict[str, Measured]:
    """The measurements of a monitor row, and what follows from them; also of a row that version 0.1.0 wrote.

    >>> found = measured_row({"participation_ratio": 8.0, "std": 0.9, "n": 100, "dims": 8})
    >>> found["dimension_std"].value, found["decay_exponent"].value < 1e-6
    (0.9, True)
    """
    n, dims = int(row["n"]), int(row["dims"])
    values = {former.NUMBERS.get(name, name): value for name, value in row.items() if value is not None}
    if "participation_ratio" in values:
        values |= shape_of_ranks(values.get("rankme_centered"), values["participation_ratio"], n, dims)
    found = {name: measured(name, values[name], n, dims) for name in NAMES if name in values}
    if "mean_cosine" in found and "negative_share" in found:
        found["cosine_excess"] = _cosine_excess(found["mean_cosine"], found["negative_share"].value)
    return found


def of_moments(sketch: Sketch) -> dict[str, Measured]:
    """What the moments of the rows determine, with intervals where there are 5 groups of rows."""
    whole = sketch.total
    n, dims = whole.n, whole.dims
    values = {
        "dims_for_variance": float(dims_for_variance(whole)),
        "spectrum_auc": spectrum_auc(whole),
        "iso_score": iso_score(whole),
        "dead_dimensions": dead_dimensions(whole),
        "duplicate_dimensions": duplicate_dimensions(whole if whole.axes is None else sketch.sample.rows.flatten(0, 1)),
        "rogue_dimension": rogue_dimension(whole),
        "row_norm": math.sqrt(float(whole.variance.sum() + whole.center.square().sum())),
        "dimension_gap": dimension_gap(whole),
        "head_gap": largest_jump(spectrum(whole)[:n]),
    }
    law = alpha_req(whole)
    if law is not None:
        values |= {"alpha_req": law.exponent, "alpha_req_fit": law.r_squared}
    found = {name: measured(name, value, n, dims) for name, value in values.items()}
    return found | _with_intervals(lambda part: of_spectrum(part, head=n >= 2 * dims), sketch.raw)


def of_single_rows(sketch: Sketch) -> dict[str, Measured]:
    """The rows of zeros, and those that were left out as near-empty or exploded, with their numbers."""
    dims = sketch.total.dims
    n = sketch.n // sketch.sample.rows.shape[1] + sketch.left_out
    found = {
        "zero_rows": (sketch.zero_rows / n, sketch.zero_index),
        "near_empty_rows": (len(sketch.light.index) / n, sketch.light.index),
        "energy_share": (float(sketch.heavy.share.sum()), sketch.heavy.index),
    }
    return {
        name: replace(measured(name, value, n, dims), which=tuple(which[:_WHICH].tolist()))
        for name, (value, which) in found.items()
    }


def of_hashes(distinct: Distinct, dims: int) -> Measured:
    """The share of the rows that repeat another: of m copies m - 1. With an interval if it is an estimate."""
    different, error = distinct.count()
    ends = (1 - (different + reach * error) / distinct.n for reach in (1.96, 0, -1.96))
    low, value, high = (max(end, 0.0) for end in ends)
    found = measured("duplicate_rows", value, distinct.n, dims)
    return replace(found, low=low, high=high) if error else found


def of_directions(unit: Sequence[Moments]) -> dict[str, Measured]:
    """What the moments of the rows at length 1 determine, none of which may be zero."""
    whole = reduce(merge, unit)
    n, dims = whole.n, whole.dims
    if n >= _ENOUGH * dims:
        return _with_intervals(of_unit, unit)
    found = _with_intervals(of_cosines, unit)  # no decomposition for each interval that would not hold
    return found | {"w2_uniformity": measured("w2_uniformity", w2_uniformity(whole), n, dims)}


def of_pairs(sketch: Sketch, *, seed: int = 0) -> dict[str, Estimate]:
    """The errors of what looks at pairs of the sample, where they are known; none of fewer than 5 groups."""
    rows = sketch.sample.rows.transpose(0, 1)
    kept = chosen(rows.shape[1], seed=seed)
    views, groups = rows[:, kept].double(), sketch.sample_groups[kept]
    if len(groups.unique()) < FEWEST_GROUPS:
        return {}
    found = pair_estimates(views[0], groups, seed=seed)
    if len(views) > 1:
        found["alignment"] = alignment_estimate(views[0], views[1], groups)
    return {name: one for name, one in found.items() if math.isfinite(one.standard_error)}


def measured(
    name: str, value: float, n: int, dims: int, *, null: float | None = None, sampled: int | None = None
) -> Measured:
    """A measurement without an interval, of n rows in `dims` dimensions, with its healthy value and its null."""
    entry = NAMES[name]
    healthy = entry.healthy * dims if entry.healthy is not None and entry.times_dims else entry.healthy
    return Measured(name, value, None, None, _null(name, n, dims) if null is None else null, healthy, sampled)


def _null(name: str, n: int, dims: int) -> float | None:
    if name in ("rankme_centered", "rank_share"):
        rank = isotropic_hill(n, dims, 1, root=True)
        return rank if name == "rankme_centered" else rank / max(min(n - 1, dims), 1)
    metric = _EXPECTED.get(name)
    return None if metric is None else metric.null(n, dims)


def _with_intervals(
    function: Callable[[Moments], Mapping[str, float]], groups: Sequence[Moments]
) -> dict[str, Measured]:
    groups = regrouped([group for group in groups if group.n > 0], groups[0].dims)
    whole = reduce(merge, groups)
    n, dims = whole.n, whole.dims
    if len(groups) < FEWEST_GROUPS:
        return {name: measured(name, value, n, dims) for name, value in function(whole).items()}
    estimates = jackknife_all(function, groups)
    return {
        name: measured(name, found.value, n, dims)
        if name in _BIASED and n < _ENOUGH * dims
        else _interval(name, found, n, dims)
        for name, found in estimates.items()
    }


def _interval(name: str, found: Estimate, n: int, dims: int) -> Measured:
    least, most = _RANGE.get(name, (-math.inf, math.inf))
    most = dims if name in _RANKS else most
    low, high = (min(max(end, least), most) for end in (found.low, found.high))
    return replace(measured(name, found.value, n, dims), low=low, high=high)


def _about(one: Measured, found: Estimate) -> Measured:
    """With an interval about the value, which goes with the number of rows."""
    least, most = _RANGE.get(one.name, (-math.inf, math.inf))
    reach = (found.high - found.low) / 2
    return replace(one, low=max(one.value - reach, least), high=min(one.value + reach, most))


def regrouped(groups: Sequence[Moments], dims: int) -> list[Moments]:
    """Fewer groups where each deletion costs the decomposition of a large matrix: 20, 10 above 256, 5 above 1,024."""
    most = 20 if dims <= 256 else 10 if dims <= 1024 else FEWEST_GROUPS
    return [reduce(merge, groups[start::most]) for start in range(min(most, len(groups)))]


def of_spectrum(z: Moments, *, head: bool = False) -> dict[str, float]:
    """The smooth functions of the spectrum, by one decomposition centered and one not."""
    row = summarize_moments(z)
    dims = z.dims
    shape = shape_of_ranks(row["rankme_centered"], row["participation_ratio"], z.n, dims)
    if not head:  # which leaving out a group must not decide
        shape.pop("head_weight", None)
    return row | shape


def of_unit(u: Moments) -> dict[str, float]:
    """The smooth functions of the moments of rows at length 1."""
    return {**of_cosines(u), "w2_uniformity": w2_uniformity(u)}


def of_cosines(u: Moments) -> dict[str, float]:
    """Those that need no decomposition."""
    deviation = u.variance.clamp_min(0.0).sqrt()
    return {
        "mean_cosine": min((u.n * float(u.mean.square().sum()) - 1) / max(u.n - 1, 1), 1.0),
        "dimension_std": float(deviation.mean()) * math.sqrt(len(deviation)),
        "self_cluster": self_cluster(u),
    }


def _derived(found: Measurements, n: int, dims: int) -> dict[str, Measured]:
    """What follows from other measurements."""
    antihubs = found["antihub_share"]
    values = {"antihub_excess": antihubs.value - (antihubs.null or 0.0)}
    if "bimodality" in found:
        values["head_error"] = math.sqrt(max(1 / found["bimodality"].value - 1, 0.0) / n)
    derived = {name: measured(name, value, n, dims) for name, value in values.items()}
    return derived | {"cosine_excess": _cosine_excess(found["mean_cosine"], found["negative_share"].value)}


def _cosine_excess(cosine: Measured, negative: float) -> Measured:
    """How far a mean cosine lies from that of the features' signs towards 1; half-normals have 2 / pi."""
    usual = 2 / math.pi if negative < FEW_NEGATIVE else 0.0
    value, low, high = (
        None if end is None else (end - usual) / (1 - usual) for end in (cosine.value, cosine.low, cosine.high)
    )
    assert value is not None
    return Measured("cosine_excess", value, low, high, null=0.0, healthy=0.0, sampled=cosine.sampled)
