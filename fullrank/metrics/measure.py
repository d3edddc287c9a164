"""From a sketch to named measurements: everything of the moments with an interval, copies, the rest from the sample."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from fullrank.metrics import (
    Estimate,
    alignment_estimate,
    alpha_req,
    dead_dimensions,
    dimension_gap,
    dims_for_variance,
    duplicate_dimensions,
    iso_score,
    nesum,
    pair_estimates,
    participation_ratio,
    relative_spread,
    rogue_dimension,
    self_cluster,
    spectrum_auc,
    stable_rank,
    summarize_moments,
    w2_uniformity,
)
from fullrank.metrics.dimensions import largest_jump
from fullrank.metrics.measured import Measured as Measured
from fullrank.metrics.measured import about, enough, measured, with_intervals
from fullrank.metrics.names import NAMES
from fullrank.metrics.rows import chosen, measure_labels, measure_rows, measure_towers, measure_views, neighbors_of
from fullrank.metrics.summary import shape_of_ranks
from fullrank.metrics.uncertainty import FEWEST_GROUPS
from fullrank.runs import former
from fullrank.stats import Distinct, Moments, decay, spectrum
from fullrank.stats.sketch import Sketch

FEW_NEGATIVE = 0.01  # share of negative values up to which features are those of a ReLU (ours)
_WHICH = 20  # numbers of rows that are told

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
    sampled = measure_rows(sketch, seed=seed)
    sampled["negative_share"] = float((rows[0] < 0).double().mean()), None, rows.shape[1]
    if sketch.directed:  # else moments of directions are not those of directions alone, and the sample's stand
        found |= of_directions(sketch)
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
        found[name] = about(found[name], estimate)
    found |= _derived(found, sketch.n, rows.shape[2])
    if labels is not None:
        found |= _of_classes(found["effective_rank"], len(labels.unique()), sketch.n, rows.shape[2])
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
    head = n >= 2 * dims
    if enough(n, dims):
        return found | with_intervals(lambda part: of_spectrum(part, head=head), sketch.raw, whole, sketch.groups)
    found |= {name: measured(name, value, n, dims) for name, value in of_spectrum(whole, head=head).items()}
    return found | with_intervals(of_largest, sketch.raw, whole, sketch.groups)  # without intervals that would not hold


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


def of_directions(sketch: Sketch) -> dict[str, Measured]:
    """What the moments of the rows at length 1 determine, none of which may be zero."""
    whole = sketch.total_unit
    if enough(whole.n, whole.dims):
        return with_intervals(of_unit, sketch.unit, whole, sketch.groups)
    found = with_intervals(of_cosines, sketch.unit, whole, sketch.groups)  # decomposes for none that would not hold
    return found | {"w2_uniformity": measured("w2_uniformity", w2_uniformity(whole), whole.n, whole.dims)}


def of_pairs(sketch: Sketch, *, seed: int = 0) -> dict[str, Estimate]:
    """The errors of what looks at pairs of the sample, where they are known; none of fewer than 5 groups."""
    rows = sketch.sample.rows.transpose(0, 1)
    kept = chosen(rows.shape[1], seed=seed)
    groups = sketch.sample_groups[kept]
    if len(groups.unique()) < FEWEST_GROUPS:
        return {}
    found = pair_estimates(neighbors_of(sketch, seed=seed).rows, groups, seed=seed)
    if len(rows) > 1:
        found["alignment"] = alignment_estimate(rows[0, kept].double(), rows[1, kept].double(), groups)
    return {name: one for name, one in found.items() if math.isfinite(one.standard_error)}


def of_spectrum(z: Moments, *, head: bool = False) -> dict[str, float]:
    """The smooth functions of the spectrum, by one decomposition centered and one not."""
    row = summarize_moments(z)
    dims = z.dims
    shape = shape_of_ranks(row["rankme_centered"], row["participation_ratio"], z.n, dims)
    if not head:  # which leaving out a group must not decide
        shape.pop("head_weight", None)
    return row | shape


def of_largest(z: Moments) -> dict[str, float]:
    """Those of them that are not biased by few rows: no more than the largest eigenvalues is computed of them."""
    rank = participation_ratio(z)
    return {
        "relative_spread": relative_spread(z),
        "participation_ratio": rank,
        "decay_exponent": decay(rank, 2, z.dims),
        "stable_rank": stable_rank(z),
        "nesum": nesum(z),
    }


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


def _of_classes(rank: Measured, classes: int, n: int, dims: int) -> dict[str, Measured]:
    """How many of the directions that `classes` need there are, as a share; none for fewer than two."""
    if classes < 2:
        return {}
    return {"class_directions": measured("class_directions", min(rank.value / (min(classes - 1, dims)), 1.0), n, dims)}


def _cosine_excess(cosine: Measured, negative: float) -> Measured:
    """How far a mean cosine lies from that of the features' signs towards 1; half-normals have 2 / pi."""
    usual = 2 / math.pi if negative < FEW_NEGATIVE else 0.0
    value, low, high = (
        None if end is None else (end - usual) / (1 - usual) for end in (cosine.value, cosine.low, cosine.high)
    )
    assert value is not None
    return Measured("cosine_excess", value, low, high, null=0.0, healthy=0.0, sampled=cosine.sampled)
