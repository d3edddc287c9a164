"""The list of metrics: what each one means and what it cannot see. The contract tests cover what is listed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from fullrank.metrics.dimensions import dead_dimensions, duplicate_dimensions
from fullrank.metrics.rank import (
    condition_number,
    dims_for_variance,
    effective_rank,
    participation_ratio,
    rankme,
    stable_rank,
    unbiased_participation_ratio,
)
from fullrank.metrics.spread import dimension_std, mean_cosine, relative_spread
from fullrank.metrics.uniformity import alignment, uniformity, w2_uniformity

Collapse = Literal["complete", "cone", "dimensional", "cluster", "dead", "duplicate"]


@dataclass(frozen=True)
class Metric:
    """One number about embeddings (N, D).

    ideal: the best value, a share of D where `times_dims`; collapsed: the value when all embeddings are one point;
    blind_to: collapses under which it keeps most of its healthy value; takes_moments: answers `Moments` too;
    rotates: unchanged by a rotation of the embedding space.
    """

    name: str
    function: Callable[..., float]
    higher_is_healthier: bool
    ideal: float
    collapsed: float
    blind_to: frozenset[Collapse]
    takes_moments: bool
    rotates: bool = True
    times_dims: bool = False


@dataclass(frozen=True)
class PairMetric:
    """One number about two views (N, D) of the same samples; blind to every collapse."""

    name: str
    function: Callable[[Tensor, Tensor], float]
    higher_is_healthier: bool
    ideal: float
    collapsed: float


def _rank(function: Callable[..., float], *blind_to: Collapse, moments: bool = True, ideal: float = 1.0) -> Metric:
    """A metric that counts directions: from 1 at total collapse to `ideal` x D."""
    return Metric(
        function.__name__, function, True, ideal, 1.0, frozenset(blind_to), moments, rotates=True, times_dims=True
    )


_ALL: frozenset[Collapse] = frozenset({"complete", "cone", "dimensional", "cluster", "dead", "duplicate"})
_WITHIN: frozenset[Collapse] = frozenset({"dimensional", "cluster", "dead", "duplicate"})
_MEAN: frozenset[Collapse] = frozenset({"complete", "cone"})

METRICS: tuple[Metric, ...] = (
    Metric("relative_spread", relative_spread, True, 1.0, 0.0, _WITHIN, takes_moments=True),
    Metric("mean_cosine", mean_cosine, False, 0.0, 1.0, _WITHIN, takes_moments=False),
    Metric("dimension_std", dimension_std, True, 1.0, 0.0, _WITHIN - {"dead"}, takes_moments=False, rotates=False),
    _rank(effective_rank, "complete", "cone"),
    _rank(rankme),
    _rank(participation_ratio, "complete", "cone"),
    _rank(unbiased_participation_ratio, "complete", "cone"),
    _rank(stable_rank),
    _rank(dims_for_variance, "complete", "cone", ideal=0.9),
    Metric("condition_number", condition_number, False, 1.0, math.inf, _MEAN, takes_moments=True),
    Metric("w2_uniformity", w2_uniformity, False, 0.0, math.sqrt(2), frozenset(), takes_moments=True),
    Metric("uniformity", uniformity, False, -4.0, 0.0, _WITHIN - {"cluster"}, takes_moments=False),
    Metric("dead_dimensions", dead_dimensions, False, 0.0, 1.0, _ALL - {"dead"}, takes_moments=True, rotates=False),
    Metric(
        "duplicate_dimensions",
        duplicate_dimensions,
        False,
        0.0,
        0.0,
        _ALL - {"duplicate"},
        takes_moments=True,
        rotates=False,
    ),
)

PAIR_METRICS: tuple[PairMetric, ...] = (PairMetric("alignment", alignment, False, 0.0, 0.0),)
