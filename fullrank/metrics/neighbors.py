"""Metrics of nearest neighbors: copies, clusters, and the dimension of the manifold that the rows lie on."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._pairs import median
from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.hubs import ANTIHUB_SHARE, HUB_SKEWNESS, gaussian_neighbors
from fullrank.metrics.record import MEAN, MOST, SHARED, Measurement

OF_PAIRS = "Euclidean, not normalized, without copies of rows"
_NEAR = 0.99  # cosine


def duplicate_rows(z: Rows) -> float:
    """Share of the rows that repeat another one: the two are at most 1e-6 of the spread apart.

    It is 1 - distinct / N: of m copies, m - 1 count. Copies that differ by float32's rounding count here, and not in a
    diagnosis, whose hashes count rows that are equal in every value. The metrics of neighbors leave copies out. It does
    not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in [0, 1); 0 is healthy; total collapse and zeros give 1 - 1/N, one row 0.

    >>> duplicate_rows(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    cloud = as_cloud(z)
    return 1 - len(cloud.distinct_index) / cloud.n


def _copies(z: Cloud) -> Tensor:
    """The rows that repeat an earlier one."""
    kept = z.distinct_index
    again = torch.ones(z.n, dtype=torch.bool, device=kept.device)
    again[kept] = False
    return again.nonzero()[:MOST, 0]


DUPLICATE_ROWS = Measurement(
    "duplicate_rows",
    duplicate_rows,
    "rows that repeat another",
    "equal in every value, first view; exact to 2^20 different rows, estimated beyond (then with an interval)",
    "pairs",
    of="counts",
    direction="low",
    ideal=0.0,
    range=(0.0, 1.0),
    which=_copies,
    which_are="rows",
)


def near_duplicate_rows(z: Rows, *, cosine: float = _NEAR, seed: int = 0) -> float:
    """Share of the rows whose nearest neighbor in direction has a cosine above a threshold.

    Rows are not centered, so a narrow cone has many. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        cosine: The threshold.
        seed: Draws 8,192 of more rows, where fewer are near.

    Returns:
        A number in [0, 1]; low is healthy in a spread embedding; total collapse and zeros give 1, one row 0.

    >>> near_duplicate_rows(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.1]]))
    0.666...
    """
    cloud = as_cloud(z, seed)
    if cloud.n < 2:
        return 0.0
    chord = cloud.nearest(1)[0]
    return float((1 - chord.square() / 2 > cosine).double().mean())


def _near_copies(z: Cloud) -> Tensor:
    """The rows nearest to another of those with a cosine above 0.99, of a cloud that needs no sample."""
    chord = z.nearest(1)[0][:, 0] if z.n > 1 else z.rows.new_ones(0)
    order = chord.argsort(stable=True)
    return order[1 - chord[order].square() / 2 > _NEAR][:MOST]


NEAR_DUPLICATE_ROWS = Measurement(
    "near_duplicate_rows",
    near_duplicate_rows,
    "rows with a near copy",
    f"cosine > {_NEAR}, uncentered",
    "pairs",
    of="rows",
    direction="low",
    ideal=0.0,
    range=(0.0, 1.0),
    no_interval=SHARED,
    which=_near_copies,
    which_are="rows",
)


def relative_contrast(z: Rows, *, seed: int = 0) -> float:
    """Relative contrast: the median distance of two rows over the median distance to the nearest row.

    Distances are Euclidean, among the distinct rows (see `duplicate_rows`). It depends on N.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        At least 1; low is healthy, and 1 is ideal (isotropic in many dimensions: 1.05 to 1.2); a healthy decay gives a
            few, tight clusters about 50, and fewer than three distinct rows 1.

    Blind to: complete collapse and the cone.

    >>> corners = torch.tensor([[0.0], [0.1], [8.0], [8.1]])
    >>> round(relative_contrast(corners), 1)
    79.5
    """
    return as_cloud(z, seed).once(_contrast)


def _contrast(z: Cloud) -> float:
    if len(z.distinct) < 3:
        return 1.0
    return max(median(z.apart.pairs()) / median(z.near(1)[:, 0]), 1.0)


RELATIVE_CONTRAST = Measurement(
    "relative_contrast",
    relative_contrast,
    "relative contrast",
    OF_PAIRS,
    "pairs",
    of="rows",
    direction="low",
    ideal=1.0,
    collapsed=1.0,
    range=(1.0, math.inf),
    no_interval="the median of all pairs, without each group of rows, takes too long",
    blind_to=MEAN,
    beside=lambda z: z.once(gaussian_neighbors).contrast,
)


def two_nn(z: Rows, *, discard: float = 0.1, seed: int = 0) -> float:
    """Intrinsic dimension by the ratio of each row's two nearest distances (TwoNN, Facco et al., 2017).

    It is the slope through the origin of -log(1 - F) over log(r2 / r1), F = i / N. Distances are Euclidean, among the
    distinct rows. It is too low in many dimensions (89 for 256 at N = 4,096), so comparable at equal N only; of a point
    with noise it sees the noise alone. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        discard: Share of the largest ratios that is left out, from 0 to below 1.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        At least 0, without an upper bound; neither direction is healthy; fewer than four distinct rows and total
            collapse give 0.

    >>> z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 50)
    >>> round(two_nn(z))
    2
    """
    if not 0 <= discard < 1:
        raise UserError(f"The discarded share is {discard}: pass a number from 0 to below 1.")
    return two_nn_of(as_cloud(z, seed).near(2), discard)


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


TWO_NN = Measurement(
    "two_nn",
    two_nn,
    "intrinsic dimension, TwoNN",
    f"{OF_PAIRS}, 10 % left out; interval of samples of this size",
    "pairs",
    of="rows",
    collapsed=0.0,
    range=(0.0, math.inf),
    interval="pairs",
)


def mle_dimension(z: Rows, *, k: int = 10, seed: int = 0) -> float:
    """Intrinsic dimension by maximum likelihood over k nearest neighbors (Levina & Bickel, 2004).

    It is 1 / mean of log(r_k / r_j) over rows and j < k: the mean of inverse local estimates (MacKay & Ghahramani,
    2005), with divisor k - 1. Distances are Euclidean, among the distinct rows. It is too low in many dimensions (72
    for 256 at N = 4,096, k = 20). It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        k: Number of neighbors, at least 2; the number of other rows at most.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        At least 0, without an upper bound; neither direction is healthy; fewer than four distinct rows and total
            collapse give 0.

    >>> z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 50)
    >>> round(mle_dimension(z))
    2
    """
    if k < 2:
        raise UserError(f"k is {k}: pass 2 or more neighbors.")
    near = as_cloud(z, seed).near(k)
    if len(near) < 4:
        return 0.0
    inverse = float((near[:, -1:] / near[:, :-1]).log().mean())
    return 1 / max(inverse, torch.finfo(torch.float64).tiny)


MLE_DIMENSION = Measurement(
    "mle_dimension",
    mle_dimension,
    "intrinsic dimension, MLE",
    f"{OF_PAIRS}, k = 10",
    "pairs",
    of="rows",
    collapsed=0.0,
    range=(0.0, math.inf),
    no_interval=SHARED,
)


def summarize_neighbors(z: Rows, *, seed: int = 0) -> dict[str, float]:
    """Metrics of the 10 nearest rows of each row, from one search by distance and one by cosine.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        "relative_contrast", "two_nn", "mle_dimension", "hub_skewness" and "antihub_share", as the functions of these
            names.

    >>> z = torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) @ torch.randn(2, 50)
    >>> row = summarize_neighbors(z)
    >>> round(row["two_nn"]), round(row["mle_dimension"]), row["antihub_share"] < 0.1
    (2, 2, True)
    """
    cloud = as_cloud(z, seed)
    found = (RELATIVE_CONTRAST, TWO_NN, MLE_DIMENSION, HUB_SKEWNESS, ANTIHUB_SHARE)
    return {record.name: record.function(cloud) for record in found}
