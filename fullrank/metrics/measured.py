"""One measured number, what perfect data of its size would give, and its interval by leaving out groups of rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from fullrank.metrics import METRICS, Estimate, isotropic_hill, jackknife_all
from fullrank.metrics.names import NAMES
from fullrank.metrics.uncertainty import FEWEST_GROUPS
from fullrank.stats import Moments

_RANKS = {"effective_rank", "rankme", "rankme_centered", "participation_ratio", "nesum", "stable_rank"}  # 1 to D
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


def with_intervals(
    function: Callable[[Moments], Mapping[str, float]], groups: Sequence[Moments], whole: Moments, count: int
) -> dict[str, Measured]:
    """The measurements of a function of moments, with intervals where 5 of the groups, `count`, have rows."""
    n, dims = whole.n, whole.dims
    if count < FEWEST_GROUPS:
        return {name: measured(name, value, n, dims) for name, value in function(whole).items()}
    estimates = jackknife_all(function, groups, whole=whole)
    return {
        name: measured(name, found.value, n, dims)
        if name in _BIASED and not enough(n, dims)
        else _interval(name, found, n, dims)
        for name, found in estimates.items()
    }


def enough(n: int, dims: int) -> bool:
    """Whether the jackknife's intervals of biased numbers hold with so many rows.

    >>> enough(800, 100), enough(700, 100)
    (True, False)
    """
    return n >= _ENOUGH * dims


def _interval(name: str, found: Estimate, n: int, dims: int) -> Measured:
    least, most = _RANGE.get(name, (-math.inf, math.inf))
    most = dims if name in _RANKS else most
    low, high = (min(max(end, least), most) for end in (found.low, found.high))
    return replace(measured(name, found.value, n, dims), low=low, high=high)


def about(one: Measured, found: Estimate) -> Measured:
    """With an interval about the value, which goes with the number of rows."""
    least, most = _RANGE.get(one.name, (-math.inf, math.inf))
    reach = (found.high - found.low) / 2
    return replace(one, low=max(one.value - reach, least), high=min(one.value + reach, most))
