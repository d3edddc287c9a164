"""Metrics of several views, or of several encoders, of the same samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import as_tensor, centered, embeddings
from fullrank.metrics._pairs import MOST, neighbors, sampled
from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.record import ALL, MEAN, SHARED, Measurement
from fullrank.stats import hill

_RIDGE = 1e-4  # of the mean variance; the paper names no value


def lidar(views: Tensor) -> float:
    """LiDAR: the effective rank of what differs between samples but not within them.

    As in Thilak et al. (2024), it is the exponential of the entropy of the eigenvalues of W^-1/2 B W^-1/2, with B the
    covariance of the means of the V views of a sample (divisor N) and W that within samples (divisor V N) plus 1e-4 of
    the mean variance times the identity (the paper leaves the constant open: it is ours). It is centered, not
    normalized, with nothing added to the shares. The paper takes about 1,000 samples and 10 to 50 views: compare at
    equal N and V. Views that are not of the same sample make it meaningless.

    Args:
        views: Embeddings (V, N, D) of V views of N samples, at least two views.

    Returns:
        A number in [1, min(N - 1, D)]; high is healthy; equal embeddings and one sample give 1.

    Raises:
        UserError: There are fewer than two views.

    Blind to: complete collapse with noise left, the cone.

    >>> views = torch.eye(4).repeat(3, 1, 1) + 0.1 * torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    >>> 1 < lidar(views) <= 3, lidar(torch.ones(2, 5, 3))
    (True, 1.0)
    """
    views = as_tensor(views)
    if views.ndim != 3 or 0 in views.shape or views.shape[0] < 2:
        raise UserError(
            f"The views have the shape {tuple(views.shape)}: pass (views of 2 or more, samples, dimensions)."
        )
    count, n, dims = views.shape
    x = centered(embeddings(views.reshape(count * n, dims))).reshape(count, n, dims)
    means = x.mean(0)
    inner = centered((x - means).reshape(count * n, dims))
    between, within = means.T @ means / n, inner.T @ inner / (count * n)
    variance = float((between.trace() + within.trace()) / dims)
    if variance == 0:
        return 1.0
    within.diagonal().add_(_RIDGE * variance)
    root = torch.linalg.cholesky(within)
    half = torch.linalg.solve_triangular(root, between, upper=False)
    values = torch.linalg.eigvalsh(torch.linalg.solve_triangular(root, half.T, upper=False))
    values = torch.where(values > values[-1] * dims * torch.finfo(values.dtype).eps, values, 0.0)
    return float(hill(values, 1))


LIDAR = Measurement(
    "lidar",
    lidar,
    "LiDAR",
    "ridge 1e-4 of the mean variance (ours)",
    "views",
    of="views",
    direction="high",
    collapsed=1.0,
    range=(1.0, math.inf),
    blind_to=MEAN,
)


def view_retrieval(z1: Rows, z2: Rows, *, seed: int = 0) -> float:
    """Share of the rows of z1 whose nearest row of z2, by cosine, is the other view of the same sample.

    It is not symmetric, and harder with more rows: compare at equal N.

    Args:
        z1: One view (N, D).
        z2: The other view (N, D) of the same samples.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        A number in [0, 1]; high is healthy, 1 is ideal; chance, total collapse and zeros give about 1/N, as ties are
            broken at random; one row gives 1.

    Blind to: dimensional and cluster collapse as long as no two samples are one point.

    >>> view_retrieval(torch.eye(3), torch.eye(3)[[0, 2, 1]])
    0.333...
    """
    one, two = _paired(z1, z2, seed)
    if one.dims != two.dims:
        raise UserError(f"The views have {one.dims} and {two.dims} dimensions: pass two of equal width.")
    nearest = neighbors(two.drawn, 1, queries=one.drawn)[1][:, 0]
    return float((nearest == torch.arange(one.n, device=nearest.device)).double().mean())


VIEW_RETRIEVAL = Measurement(
    "view_retrieval",
    view_retrieval,
    "views found again",
    "cosine, nearest row",
    "views",
    of="pair",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
    no_interval=SHARED,
    blind_to=frozenset({"dimensional", "cluster"}),
    expected=lambda n, _dims: 1 / n,
)


def knn_overlap(z1: Rows, z2: Rows, *, k: int = 10, seed: int = 0) -> float:
    """Mutual kNN: the share of the k nearest rows, by cosine, that each row has in both embeddings.

    The two are views, epochs or models of the same samples in the same order (Huh et al., 2024). It is free of scale
    and rotation.

    Args:
        z1: Embeddings (N, D1).
        z2: Embeddings (N, D2) of the same samples.
        k: Number of neighbors, at most N - 1.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        A number in [0, 1]; high is agreement, 1 is ideal; unrelated embeddings, total collapse and zeros give about k
            / (N - 1), as ties are broken at random; fewer than three rows give 1.

    Blind to: every collapse that both have.

    >>> knn_overlap(torch.eye(3), 5 * torch.eye(3), k=2)
    1.0
    """
    if k < 1:
        raise UserError(f"k is {k}: pass 1 or more neighbors.")
    one, two = _paired(z1, z2, seed)
    if one.n < 3:
        return 1.0
    return _shared(one.nearest(k)[1], two.nearest(k)[1])


def _shared(first: Tensor, second: Tensor) -> float:
    """The share of numbers (N, k) that are in the same row of both."""
    both = torch.cat([first, second], 1).sort(1).values
    return float((both[:, 1:] == both[:, :-1]).sum()) / first.numel()


KNN_OVERLAP = Measurement(
    "knn_overlap",
    knn_overlap,
    "shared neighbors of two views",
    "cosine, k = 10",
    "views",
    of="pair",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
    no_interval=SHARED,
    blind_to=ALL,
    expected=lambda n, _dims: min(10, n - 1) / max(n - 1, 1),
)


def cka(z1: Rows, z2: Rows) -> float:
    """Linear CKA, debiased: how similar two embeddings of the same samples are.

    It is HSIC(1, 2) / sqrt(HSIC(1, 1) HSIC(2, 2)) (Kornblith et al., 2019) by the unbiased HSIC of Song et al. (2012),
    so that unrelated embeddings give 0 in any width, where the usual one gives about D / N. It is free of scale,
    rotation and mean, takes O(N D1 D2) and all rows, and is decided by the largest directions.

    Args:
        z1: Embeddings (N, D1).
        z2: Embeddings (N, D2) of the same samples.

    Returns:
        A number in [-1, 1], cut there; high is similar; 1 is ideal; fewer than four rows, total collapse and zeros
            give 0.

    Blind to: every collapse that both have.

    >>> z = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    >>> round(cka(z, -3 * z), 6)
    1.0
    """
    one, two = _same_rows(z1, z2)
    x, y = centered(one.rows), centered(two.rows)
    own = [_hsic(x, x), _hsic(y, y)]
    if len(x) < 4 or min(own) <= 0:
        return 0.0
    return min(max(_hsic(x, y) / math.sqrt(own[0] * own[1]), -1.0), 1.0)


def _hsic(x: Tensor, y: Tensor) -> float:
    """Unbiased HSIC of linear kernels with zero diagonals, times N (N - 3), from products of D1 x D2."""
    n = len(x)
    if n < 4:
        return 0.0
    a, b = x.square().sum(1), y.square().sum(1)
    row_x, row_y = x @ x.sum(0) - a, y @ y.sum(0) - b
    trace = float((x.T @ y).square().sum() - a @ b)
    corners = float(row_x.sum() * row_y.sum()) / ((n - 1) * (n - 2))
    return trace + corners - 2 / (n - 2) * float(row_x @ row_y)


def _same_rows(z1: Rows, z2: Rows, seed: int = 0) -> tuple[Cloud, Cloud]:
    one, two = as_cloud(z1, seed), as_cloud(z2, seed + 1)
    if one.n != two.n:
        raise UserError(f"There are {one.n} and {two.n} rows: pass two embeddings of the same samples.")
    return one, two


def _paired(z1: Rows, z2: Rows, seed: int) -> tuple[Cloud, Cloud]:
    """Both embeddings, or the same sample of both, with seeds of their own, so that equal rows get unequal noise."""
    one, two = _same_rows(z1, z2, seed)
    other = two.seed + (one.seed == two.seed)
    if one.n <= MOST:
        return one, two if other == two.seed else Cloud(two.given, seed=other)
    chosen = sampled(one.n, one.seed).to(one.rows.device)
    return Cloud(one.rows[chosen], seed=one.seed), Cloud(two.rows[chosen], seed=other)


CKA = Measurement(
    "cka", cka, of="pair", direction="high", ideal=1.0, collapsed=0.0, blind_to=ALL, expected=lambda _n, _dims: 0.0
)
