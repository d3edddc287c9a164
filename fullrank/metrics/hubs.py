"""Hubs, antihubs (rows that are no other row's neighbor), and what a Gaussian cloud of the same spectrum shows."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean, stdev

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import centered
from fullrank.metrics._pairs import neighbors, sample, squared_distances, upper, with_broken_ties
from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.record import MOST, SHARED, Measured, Measurement, Measurements
from fullrank.stats import products

DRAWS = 4  # Gaussian clouds whose mean is the null
_K = 10  # neighbors
OVER_NULL = f"null: Gaussian, same spectrum, mean of {DRAWS} draws"


def hub_skewness(z: Rows, *, k: int = 10, queries: Rows | None = None, seed: int = 0) -> float:
    """Hubness: the skewness of how often a row is among the k nearest, by cosine, of the other rows.

    It is that of Radovanovic et al. (2010). An isotropic cloud has about 0.3, but a healthy 1/j spectrum 3 and a cone
    7: it depends on N, k and the spectrum, so compare with that of `gaussian_like(z)`. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        k: Number of neighbors, at least 1.
        queries: Rows (M, D) that search among the rows of z, as in retrieval across modalities.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        Neither direction is healthy for certain; fewer than three rows and equally frequent rows give 0; total
            collapse, whose nearest rows are drawn at random, gives about the value of chance.

    >>> star = torch.tensor([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0], [1.0, 0.0, 0.1], [1.0, 0.0, 0.0], [1.0, 0.0, -0.1]])
    >>> round(hub_skewness(star, k=1), 2)  # the fourth is nearest to all others
    1.29
    """
    return skewness(occurrences(z, k=k, queries=queries, seed=seed))


def _hubs(z: Cloud) -> Tensor:
    """The rows that are most often among the nearest, of those more than two standard deviations above the mean."""
    count = z.once(occurrences)
    order = count.argsort(descending=True, stable=True)
    return order[count[order] > count.mean() + 2 * count.std(correction=0)][:MOST]


HUB_SKEWNESS = Measurement(
    "hub_skewness",
    hub_skewness,
    "hubness",
    f"cosine, k = 10; {OVER_NULL}",
    "pairs",
    of="rows",
    direction="low",
    no_interval=SHARED,
    beside=lambda z: z.once(gaussian_neighbors).skewness,
    which=_hubs,
    which_are="rows",
)


def _hub_excess(found: Measurements, _n: int, _dims: int) -> Measured | None:
    if "hub_skewness" not in found:
        return None
    one = found["hub_skewness"]
    excess = one.value - (one.null or 0.0)
    return Measured("hub_excess", excess, null=0.0, healthy=0.0, sampled=one.sampled, which=one.which)


HUB_EXCESS = Measurement(
    "hub_excess",
    _hub_excess,
    "hubness above its null",
    f"{OVER_NULL}; interval of samples of this size",
    "pairs",
    of="derived",
    direction="low",
    ideal=0.0,
    interval="pairs",
    which_are="rows",
)


def antihub_share(z: Rows, *, k: int = 10, queries: Rows | None = None, seed: int = 0) -> float:
    """Share of the rows that are among the k nearest, by cosine, of no other row, so that no search finds them.

    It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        k: Number of neighbors, at least 1.
        queries: Rows (M, D) that search among the rows of z.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        A number in [0, 1); low is healthy, but some antihubs are normal: compare with `gaussian_like(z)`. Fewer than
            three rows give 0.

    >>> antihub_share(torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.0, 0.0], [1.0, 0.3]]), k=1)
    0.25
    """
    return float((occurrences(z, k=k, queries=queries, seed=seed) == 0).double().mean())


ANTIHUB_SHARE = Measurement(
    "antihub_share",
    antihub_share,
    "antihubs: rows that are no other row's neighbor",
    "cosine, k = 10",
    "pairs",
    of="rows",
    direction="low",
    range=(0.0, 1.0),
    no_interval=SHARED,
    beside=lambda z: z.once(gaussian_neighbors).antihubs,
)


def _antihub_excess(found: Measurements, _n: int, _dims: int) -> Measured | None:
    if "antihub_share" not in found:
        return None
    one = found["antihub_share"]
    return Measured("antihub_excess", one.value - (one.null or 0.0), null=0.0, healthy=0.0, sampled=one.sampled)


ANTIHUB_EXCESS = Measurement(
    "antihub_excess",
    _antihub_excess,
    "antihubs above their null",
    OVER_NULL,
    "pairs",
    of="derived",
    direction="low",
    ideal=0.0,
    range=(-1.0, 1.0),
    no_interval=SHARED,
)


def occurrences(z: Rows, *, k: int = 10, queries: Rows | None = None, seed: int = 0) -> Tensor:
    """How often each row (N,) of z (N, D), or of its sample, is among the k nearest by cosine.

    Ties are broken at random.

    >>> occurrences(torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.0, 0.0], [1.0, 0.3]]), k=1)
    tensor([1., 1., 2., 0.], dtype=torch.float64)
    """
    if k < 1:
        raise UserError(f"k is {k}: pass 1 or more neighbors.")
    cloud = as_cloud(z, seed)
    if queries is None:
        if cloud.n < 3:
            return cloud.rows.new_ones(cloud.n)
        return cloud.nearest(k)[1].flatten().bincount(minlength=len(cloud.drawn)).double()
    targets, gallery = sample(as_cloud(queries, seed).unit, seed + 1), cloud.drawn
    if targets.shape[1] != gallery.shape[1]:
        raise UserError(f"The queries have {targets.shape[1]} dimensions, the gallery {cloud.dims}: pass one space.")
    _, index = neighbors(gallery, min(k, len(gallery)), queries=with_broken_ties(targets, seed))
    return index.flatten().bincount(minlength=len(gallery)).double()


def skewness(count: Tensor) -> float:
    """Third central moment over the 3/2 power of the second, of numbers (N,); 0 if they are equal.

    >>> round(skewness(torch.tensor([0.0, 0.0, 3.0])), 3)
    0.707
    """
    deviation = count - count.mean()
    variance = float(deviation.square().mean())
    return float((deviation**3).mean()) / variance**1.5 if variance > 0 else 0.0


def gaussian_like(z: Rows, *, seed: int = 0) -> Tensor:
    """A Gaussian cloud (N, D) of mean zero with the covariance of z (N, D) up to scale, in float64.

    It is the null model of the spectrum: a value that is far from that of this cloud comes from more than the spectrum,
    such as clusters, hubs or a mean.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        seed: The draw.

    >>> z = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 1.0])
    >>> like = gaussian_like(z).var(0)
    >>> round(float(like[0] / like[1]))
    4
    """
    x = centered(as_cloud(z, seed).rows)
    n, dims = x.shape
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, min(n, dims), generator=generator, dtype=torch.float64).to(x.device)
    root = x if n < dims else torch.linalg.qr(x, mode="r")[1]  # any root of x^T x gives the covariance
    cloud: Tensor = noise @ (root / n**0.5)
    return cloud


@dataclass(frozen=True)
class GaussianNeighbors:
    """What neighbors are like in Gaussian clouds of one spectrum; see the metrics of these names."""

    contrast: float
    skewness: float
    antihubs: float
    skewness_error: float  # standard error of that mean
    counts: Tensor  # (n,) how often each row of the first draw is among the nearest of others


def gaussian_neighbors(z: Cloud) -> GaussianNeighbors:
    """The mean over draws of Gaussian clouds with as many rows (at most 8,192) and the spectrum of z.

    The draws are the same for every seed, so that no seed decides whether a value passes a threshold.

    >>> from fullrank.metrics.cloud import Cloud
    >>> z = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    >>> 1.1 < gaussian_neighbors(Cloud(z)).contrast < 1.4
    True
    """
    n = len(z.drawn)
    if n < 3:
        return GaussianNeighbors(1.0, 0.0, 0.0, 0.0, z.drawn.new_ones(n))
    roots = z.spectrum.sqrt()
    room = roots.new_empty(n, len(roots), device="cpu")  # for all draws: new memory costs more than what is done in it
    work = tuple(roots.new_empty(n, n) for _ in range(2))
    draws = [_of_draw(_draw(room, roots, draw), work) for draw in range(DRAWS)]
    skews, missed = ([of(count) for _, count in draws] for of in (skewness, _missed))
    error = stdev(skews) / DRAWS**0.5
    return GaussianNeighbors(fmean(one for one, _ in draws), fmean(skews), fmean(missed), error, draws[0][1])


def _missed(count: Tensor) -> float:
    return float((count == 0).double().mean())


def _draw(room: Tensor, roots: Tensor, seed: int) -> Tensor:
    """Rows (n, K), written to `room`, in their principal axes: a rotation changes no neighbor."""
    return room.normal_(generator=torch.Generator().manual_seed(seed)).to(roots.device).mul_(roots)


def _of_draw(x: Tensor, work: tuple[Tensor, ...]) -> tuple[float, Tensor]:
    """The contrast of x (N, K), and how often each row is among the 10 nearest.

    One matrix of products is computed; work: two matrices (n, n) to write to.
    """
    n = len(x)
    if not bool(x.any()):
        return 1.0, x.new_ones(n)
    gram = products(x, work[0])
    squares, apart = gram.diagonal().clone(), squared_distances(gram, work[1])
    middle = float(upper(apart).median())
    near = float(apart.fill_diagonal_(torch.inf).amin(1).median())
    cosines = gram.div_(squares.sqrt()).fill_diagonal_(-torch.inf)  # of a row, in units of its own length
    index = cosines.topk(min(_K, n - 1), dim=1).indices
    contrast = max(middle / near, 1.0) ** 0.5 if near > 0 else 1.0
    return contrast, index.flatten().bincount(minlength=n).double()
