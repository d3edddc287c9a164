"""What the nearest neighbors say: copies, clusters, hubs and the dimension of the surface the rows lie on."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import centered, embeddings, unit_rows
from fullrank.metrics._pairs import distinct, neighbors, pairs, sample


def duplicate_rows(z: Tensor) -> float:
    """Share of the rows of z (N, D) that repeat another one, to 1e-6 of the spread.

    1 - distinct / N: of m copies m - 1 count. In [0, 1); 0 is healthy; total collapse and zeros give 1 - 1/N, one
    row 0. Copies must go before any number of neighbors is read. Grades no collapse.

    >>> duplicate_rows(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    x = embeddings(z)
    return 1 - len(distinct(x)) / len(x)


def near_duplicate_rows(z: Tensor, *, cosine: float = 0.99, seed: int = 0) -> float:
    """Share of the rows of z (N, D) whose nearest neighbor in direction has a cosine above `cosine`.

    In [0, 1]; low is healthy in a spread embedding; total collapse and zeros give 1, one row 0. Uncentered: a
    narrow cone has many. Above 8,192 rows, that of a sample drawn by `seed`, where fewer are near. Grades no collapse.

    >>> near_duplicate_rows(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]))
    0.666...
    """
    u = sample(unit_rows(z), seed)
    if len(u) < 2:
        return 0.0
    chord = neighbors(u, 1)[0]
    return float((1 - chord.square() / 2 > cosine).double().mean())


def relative_contrast(z: Tensor, *, seed: int = 0) -> float:
    """Relative contrast of z (N, D): the median distance of two rows over the median distance to the nearest row.

    Euclidean, of the distinct rows (see `duplicate_rows`). At least 1; low is healthy, ideal 1 (isotropic in many
    dimensions: 1.05 to 1.2), a few for a healthy decay, about 50 for tight clusters; fewer than three distinct rows
    give 1. Depends on N. Above 8,192 rows, that of a sample drawn by `seed`. Blind to: complete collapse and the cone.

    >>> corners = torch.tensor([[0.0], [0.1], [8.0], [8.1]])
    >>> round(relative_contrast(corners))
    79
    """
    return _contrast(*_nearest(z, 1, seed))


def two_nn(z: Tensor, *, discard: float = 0.1, seed: int = 0) -> float:
    """Intrinsic dimension of z (N, D) by the ratio of each row's two nearest distances (TwoNN, Facco et al., 2017).

    The slope through the origin of -log(1 - F) over log(r2 / r1), F = i / N, without the `discard` share of largest
    ratios. Euclidean, of the distinct rows. At least 0 and no bound above; no direction is healthy; fewer than four
    distinct rows give 0, and so does total collapse. Too low in many dimensions (89 for 256 at N = 4,096), so
    comparable at equal N only; small noise is all it sees of a point with noise. Above 8,192 rows, that of a sample
    drawn by `seed`. Grades no collapse.

    >>> z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 50)
    >>> round(two_nn(z))
    2
    """
    if not 0 <= discard < 1:
        raise UserError(f"The discarded share is {discard}: pass a number from 0 to below 1.")
    return two_nn_of(_nearest(z, 2, seed)[1], discard)


def mle_dimension(z: Tensor, *, k: int = 10, seed: int = 0) -> float:
    """Intrinsic dimension of z (N, D) by maximum likelihood over k nearest neighbors (Levina & Bickel, 2004).

    1 / mean of log(r_k / r_j) over rows and j < k: the mean of inverse local estimates (MacKay & Ghahramani, 2005),
    divisor k - 1. Euclidean, of the distinct rows. At least 0 and no bound above; no direction is healthy; fewer than
    four distinct rows give 0, and so does total collapse; k is at most the number of other rows. Too low in
    many dimensions (72 for 256 at N = 4,096, k = 20). Above 8,192 rows, that of a sample drawn by `seed`. Grades no
    collapse.

    >>> z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 50)
    >>> round(mle_dimension(z))
    2
    """
    _at_least("k", k, 2)
    return _mle(_nearest(z, k, seed)[1])


def hub_skewness(z: Tensor, *, k: int = 10, queries: Tensor | None = None, seed: int = 0) -> float:
    """Hubness of z (N, D): the skewness of how often a row is among the k nearest, by cosine, of the others.

    Radovanovic et al. (2010). With `queries` (M, D) the rows of z are a gallery, as in retrieval between two towers.
    About 0.3 is isotropic, but 3 a healthy 1/j spectrum and 7 a cone: it depends on N, k and the spectrum, so compare
    with that of `gaussian_like(z)`. No direction is healthy for sure; fewer than three rows and equally frequent
    rows give 0, and total collapse, where the nearest is drawn by lot, about that of chance. Above 8,192 rows, that
    of a sample drawn by `seed`. Grades no collapse.

    >>> star = torch.tensor([[1.0, 0.1, 0.0], [1.0, -0.1, 0.0], [1.0, 0.0, 0.1], [1.0, 0.0, 0.0], [1.0, 0.0, -0.1]])
    >>> round(hub_skewness(star, k=1), 2)  # the fourth is nearest to all others
    1.29
    """
    return skewness(occurrences(z, k=k, queries=queries, seed=seed))


def antihub_share(z: Tensor, *, k: int = 10, queries: Tensor | None = None, seed: int = 0) -> float:
    """Share of the rows of z (N, D) that are among the k nearest, by cosine, of no other row: never found.

    With `queries` (M, D), of no query. In [0, 1); low is healthy, but some are normal: compare with
    `gaussian_like(z)`. Fewer than three rows give 0. Above 8,192 rows, that of a sample drawn by `seed`. Grades no
    collapse.

    >>> antihub_share(torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.0, 0.0], [1.0, 0.3]]), k=1)
    0.25
    """
    return float((occurrences(z, k=k, queries=queries, seed=seed) == 0).double().mean())


def summarize_neighbors(z: Tensor, *, seed: int = 0, count: Tensor | None = None) -> dict[str, float]:
    """What the 10 nearest rows of each row of z (N, D) tell, with one search by distance and one by cosine.

    count: `occurrences(z, seed=seed)`, where it is at hand: there is no search by cosine then.

    "relative_contrast", "two_nn", "mle_dimension", "hub_skewness" and "antihub_share", as the functions of that name.

    >>> z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 50)
    >>> row = summarize_neighbors(z)
    >>> round(row["two_nn"]), round(row["mle_dimension"]), row["antihub_share"] == antihub_share(z)
    (2, 2, True)
    """
    x, near = _nearest(z, 10, seed)
    count = occurrences(z, seed=seed) if count is None else count
    return {
        "relative_contrast": _contrast(x, near),
        "two_nn": two_nn_of(near),
        "mle_dimension": _mle(near),
        "hub_skewness": skewness(count),
        "antihub_share": float((count == 0).double().mean()),
    }


def occurrences(z: Tensor, *, k: int = 10, queries: Tensor | None = None, seed: int = 0) -> Tensor:
    """How often each row (N,) of z (N, D), or of its sample, is among the k nearest by cosine. Ties are drawn by lot.

    >>> occurrences(torch.tensor([[1.0, 0.1], [1.0, -0.1], [1.0, 0.0], [1.0, 0.3]]), k=1)
    tensor([1., 1., 2., 0.], dtype=torch.float64)
    """
    _at_least("k", k, 1)
    u = sample(unit_rows(z), seed)
    if queries is None and len(u) < 3:
        return u.new_ones(len(u))
    targets = None if queries is None else sample(unit_rows(queries), seed + 1)
    if targets is not None and targets.shape[1] != u.shape[1]:
        raise UserError(f"The queries have {targets.shape[1]} dimensions, the gallery {u.shape[1]}: pass one space.")
    most = len(u) - 1 if targets is None else len(u)
    u = by_lot(u, seed)
    _, index = neighbors(u, min(k, most), queries=None if targets is None else by_lot(targets, seed))
    return index.flatten().bincount(minlength=len(u)).double()


def by_lot(u: Tensor, seed: int) -> Tensor:
    """Rows u (N, D) with noise of 1e-8, so that equal distances are told apart by chance and not by their order."""
    noise = torch.randn(u.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return u + 1e-8 * noise.to(u.device)


def gaussian_like(z: Tensor, *, seed: int = 0) -> Tensor:
    """A Gaussian cloud (N, D), mean zero, with the covariance of z (N, D) up to scale: the null of its spectrum.

    A value far from that of this cloud is about more than the spectrum: clusters, hubs, a mean. Float64.

    >>> z = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([2.0, 1.0])
    >>> like = gaussian_like(z).var(0)
    >>> round(float(like[0] / like[1]))
    4
    """
    x = centered(embeddings(z))
    n, dims = x.shape
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(n, min(n, dims), generator=generator, dtype=torch.float64).to(x.device)
    root = x if n < dims else torch.linalg.qr(x, mode="r")[1]  # any root of x^T x gives the covariance
    cloud: Tensor = noise @ (root / n**0.5)
    return cloud


def _nearest(z: Tensor, k: int, seed: int) -> tuple[Tensor, Tensor]:
    """The distinct rows (M, D) of z (N, D), or of its sample, and the distances (M, <= k) to the nearest others."""
    x = sample(distinct(embeddings(z)), seed)
    return x, neighbors(x, min(k, len(x) - 1))[0]


def _contrast(x: Tensor, near: Tensor) -> float:
    if len(x) < 3:
        return 1.0
    return max(float(torch.cat([*pairs(x)]).median()) / float(near[:, 0].median()), 1.0)


def two_nn_of(near: Tensor, discard: float = 0.1) -> float:
    """`two_nn` of rows whose distances (M, 2 or more) to the nearest others are given.

    >>> near = torch.tensor([[1.0, 2.0], [1.0, 1.5], [1.0, 1.2], [1.0, 4.0]], dtype=torch.float64)
    >>> round(two_nn_of(near), 2)  # of three ratios: 4 is left out
    1.91
    """
    n = len(near)
    if n < 4:
        return 0.0
    ratio = (near[:, 1] / near[:, 0]).log().sort().values
    kept = min(int(n * (1 - discard)), n - 1)
    below = torch.arange(1, kept + 1, dtype=torch.float64, device=near.device) / n
    x_axis, y_axis = ratio[:kept], -torch.log1p(-below)
    return float(x_axis @ y_axis) / max(float(x_axis @ x_axis), torch.finfo(torch.float64).tiny)


def _mle(near: Tensor) -> float:
    if len(near) < 4:
        return 0.0
    inverse = float((near[:, -1:] / near[:, :-1]).log().mean())
    return 1 / max(inverse, torch.finfo(torch.float64).tiny)


def skewness(count: Tensor) -> float:
    """Third central moment over the 3/2 power of the second, of numbers (N,); 0 if they are equal.

    >>> round(skewness(torch.tensor([0.0, 0.0, 3.0])), 3)
    0.707
    """
    deviation = count - count.mean()
    variance = float(deviation.square().mean())
    return float((deviation**3).mean()) / variance**1.5 if variance > 0 else 0.0


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UserError(f"{name} is {value}: pass {least} or more neighbors.")
