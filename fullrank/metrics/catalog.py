"""The list of metrics: what each one means and what it cannot see. The contract tests cover what is listed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from scipy.special import hyp0f1
from torch import Tensor

from fullrank.metrics.dimensions import dead_dimensions, dimension_gap, duplicate_dimensions, rogue_dimension
from fullrank.metrics.energy import hyperspherical_energy, koleo, uniform_energy
from fullrank.metrics.isotropic import isotropic_hill, isotropic_spectrum
from fullrank.metrics.neighbors import (
    antihub_share,
    duplicate_rows,
    hub_skewness,
    mle_dimension,
    near_duplicate_rows,
    relative_contrast,
    two_nn,
)
from fullrank.metrics.normality import sigreg
from fullrank.metrics.rank import (
    components,
    condition_number,
    dims_for_variance,
    effective_rank,
    iso_score,
    nesum,
    participation_ratio,
    plugin_participation_ratio,
    rankme,
    stable_rank,
)
from fullrank.metrics.shape import auc, coherence, decay_exponent, head_weight, self_cluster, spectrum_auc
from fullrank.metrics.spread import dimension_std, mean_cosine, norm_variation, relative_spread, row_norm, zero_rows
from fullrank.metrics.uniformity import alignment, uniformity, w2_uniformity
from fullrank.metrics.views import cka, knn_overlap, view_retrieval

Collapse = Literal["complete", "cone", "dimensional", "cluster", "dead", "duplicate"]
Expected = Callable[[int, int], float]


@dataclass(frozen=True)
class Metric:
    """One number about embeddings (N, D).

    ideal: the best value, a share of D where `times_dims`; collapsed: the value when all embeddings are one point;
    blind_to: collapses under which it keeps most of its healthy value; takes_moments: answers `Moments` too;
    rotates: unchanged by a rotation of the embedding space; way: how much is a lot, where the value at collapse
    is a floor against infinity and no scale; of_pairs: a copied row counts as a near pair; expected: the value of
    perfect data by a formula, see `null`.
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
    way: float | None = None
    of_pairs: bool = False
    expected: Expected | None = None

    def null(self, n: int, dims: int, *, seed: int = 0) -> float:
        """What it says of perfect data of this size, n isotropic Gaussian rows: by formula, or of one draw."""
        return _null(self.function, self.expected, n, dims, seed)


@dataclass(frozen=True)
class Description:
    """One number about embeddings (N, D) that grades no collapse: within [low, high], and at_point for one point.

    scales: it is in the unit of the rows.
    """

    name: str
    function: Callable[..., float]
    low: float
    high: float
    at_point: float | None
    rotates: bool = True
    scales: bool = False

    def null(self, n: int, dims: int, *, seed: int = 0) -> float:
        """What it says of one draw of n isotropic Gaussian rows."""
        return _null(self.function, None, n, dims, seed)


@dataclass(frozen=True)
class PairMetric:
    """One number about two views, or two encoders, (N, D) of the same samples; blind to most collapses.

    chance: the value of unrelated isotropic ones, by N; collapsed: that of two points, None if it is chance.
    """

    name: str
    function: Callable[[Tensor, Tensor], float]
    higher_is_healthier: bool
    ideal: float
    collapsed: float | None
    chance: Callable[[int], float]


def _null(function: Callable[..., float], expected: Expected | None, n: int, dims: int, seed: int) -> float:
    if expected is not None:
        return expected(n, dims)
    return function(torch.randn(n, dims, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))


def _rank(function: Callable[..., float], expected: Expected, *blind_to: Collapse, ideal: float = 1.0) -> Metric:
    """A metric that counts directions: from 1 at total collapse to `ideal` x D."""
    name = function.__name__
    return Metric(name, function, True, ideal, 1.0, frozenset(blind_to), True, times_dims=True, expected=expected)


def _condition(n: int, dims: int) -> float:
    spectrum = isotropic_spectrum(n, dims)
    return float(spectrum[0] / spectrum[-1]) if n > dims else math.inf


def _w2(n: int, dims: int) -> float:
    return math.sqrt(max(0.0, 2 - 2 * float(isotropic_spectrum(n, dims).sqrt().sum()) / dims))


def _nothing(_n: int, _dims: int) -> float:
    return 0.0


def _own_mean(n: int, _dims: int) -> float:
    return math.sqrt(1 - 1 / n)


_ALL: frozenset[Collapse] = frozenset({"complete", "cone", "dimensional", "cluster", "dead", "duplicate"})
_WITHIN: frozenset[Collapse] = frozenset({"dimensional", "cluster", "dead", "duplicate"})
_MEAN: frozenset[Collapse] = frozenset({"complete", "cone"})

METRICS: tuple[Metric, ...] = (
    Metric("relative_spread", relative_spread, True, 1.0, 0.0, _WITHIN, True, expected=_own_mean),
    Metric("mean_cosine", mean_cosine, False, 0.0, 1.0, _WITHIN, False, of_pairs=True, expected=_nothing),
    Metric("dimension_std", dimension_std, True, 1.0, 0.0, _WITHIN - {"dead"}, False, rotates=False),
    _rank(effective_rank, lambda n, dims: isotropic_hill(n, dims, 1), *_MEAN),
    _rank(rankme, lambda n, dims: isotropic_hill(n + 1, dims, 1, root=True)),
    _rank(plugin_participation_ratio, lambda n, dims: isotropic_hill(n, dims, 2), *_MEAN),
    _rank(participation_ratio, lambda n, dims: float(dims) if n > 3 else isotropic_hill(n, dims, 2), *_MEAN),
    _rank(stable_rank, lambda n, dims: isotropic_hill(n + 1, dims, math.inf)),
    _rank(nesum, lambda n, dims: isotropic_hill(n, dims, math.inf), *_MEAN),
    _rank(dims_for_variance, lambda n, dims: components(isotropic_spectrum(n, dims), 0.9), *_MEAN, ideal=0.9),
    Metric(
        *("iso_score", iso_score, True, 1.0, 0.0, _MEAN, True),
        expected=lambda n, dims: (isotropic_hill(n, dims, 2) - 1) / max(dims - 1, 1),
    ),
    Metric("decay_exponent", decay_exponent, False, 0.0, 8.0, _MEAN, True, way=1.0, expected=_nothing),
    Metric(
        *("spectrum_auc", spectrum_auc, False, 0.5, 1.0, _MEAN, True),
        expected=lambda n, dims: auc(isotropic_spectrum(n, dims), dims),
    ),
    Metric("condition_number", condition_number, False, 1.0, math.inf, _MEAN, True, expected=_condition),
    Metric("w2_uniformity", w2_uniformity, False, 0.0, math.sqrt(2), frozenset(), True, expected=_w2),
    Metric(
        *("uniformity", uniformity, False, -4.0, 0.0, _WITHIN - {"cluster"}, False),
        of_pairs=True,
        expected=lambda _, dims: math.log(hyp0f1(dims / 2, 4.0)) - 4,
    ),
    Metric("self_cluster", self_cluster, False, 0.0, 1.0, _WITHIN, True, of_pairs=True, expected=_nothing),
    Metric(
        *("hyperspherical_energy", hyperspherical_energy, False, 0.5, 1e12, _WITHIN - {"cluster"}, False),
        way=0.5,
        of_pairs=True,
        expected=lambda _, dims: uniform_energy(dims),
    ),
    Metric("koleo", koleo, False, -0.35, -math.log(1e-8), frozenset(), False, way=1.0, of_pairs=True),
    Metric("relative_contrast", relative_contrast, False, 1.0, 1.0, _MEAN, False),
    Metric(
        "dead_dimensions", dead_dimensions, False, 0.0, 1.0, _ALL - {"dead"}, True, rotates=False, expected=_nothing
    ),
    Metric(
        *("duplicate_dimensions", duplicate_dimensions, False, 0.0, 0.0, _ALL - {"duplicate"}, True),
        rotates=False,
        expected=_nothing,
    ),
)

DESCRIPTIONS: tuple[Description, ...] = (
    Description("coherence", coherence, 1.0, math.inf, 1.0),
    Description("head_weight", head_weight, -16.0, 8.0, 0.0),
    Description("sigreg", sigreg, 0.0, math.inf, None, rotates=False),
    Description("two_nn", two_nn, 0.0, math.inf, 0.0),
    Description("mle_dimension", mle_dimension, 0.0, math.inf, 0.0),
    Description("hub_skewness", hub_skewness, -math.inf, math.inf, None),
    Description("antihub_share", antihub_share, 0.0, 1.0, None),
    Description("duplicate_rows", duplicate_rows, 0.0, 1.0, None),
    Description("near_duplicate_rows", near_duplicate_rows, 0.0, 1.0, None),
    Description("norm_variation", norm_variation, 0.0, math.inf, 0.0),
    Description("zero_rows", zero_rows, 0.0, 1.0, None),
    Description("rogue_dimension", rogue_dimension, 1.0, math.inf, 1.0, rotates=False),
    Description("dimension_gap", dimension_gap, 1.0, math.inf, 1.0, rotates=False),
    Description("row_norm", row_norm, 0.0, math.inf, None, scales=True),
)

PAIR_METRICS: tuple[PairMetric, ...] = (
    PairMetric("alignment", alignment, False, 0.0, 0.0, lambda _: 2.0),
    PairMetric("view_retrieval", view_retrieval, True, 1.0, None, lambda n: 1 / n),
    PairMetric("knn_overlap", knn_overlap, True, 1.0, None, lambda n: min(10, n - 1) / max(n - 1, 1)),
    PairMetric("cka", cka, True, 1.0, 0.0, lambda _: 0.0),
)
