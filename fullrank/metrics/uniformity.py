"""How evenly do the directions fill the sphere, and how close are the two views of one image?"""

from __future__ import annotations

import math

from scipy.special import hyp0f1

from fullrank.errors import UserError
from fullrank.metrics._embeddings import unit_moments
from fullrank.metrics.cloud import Cloud, Data, Rows, as_cloud
from fullrank.metrics.isotropic import isotropic_spectrum
from fullrank.metrics.record import ALL, OF_UNIT, WITHIN, Measurement
from fullrank.stats import log_mean_kernel, products


def w2_uniformity(z: Data) -> float:
    """Wasserstein-2 distance of z (N, D), rows scaled to length 1, from the uniform distribution on the sphere.

    sqrt(2 - 2 tr(C^1/2) / sqrt(D)), C the covariance with divisor N, which for unit rows equals Fang et al.'s
    (2024) sqrt(|mean|^2 + 1 + tr C - 2 tr(C^1/2) / sqrt(D)): a Gaussian fitted to the rows against N(0, I / D).
    Equally sqrt(2 - 2 sqrt(tr C x D_1/2 / D)) with the Hill number D_1/2. In [0, sqrt 2]; low is healthy, ideal
    0; total collapse, zeros and one row give sqrt 2. Has a floor of about sqrt(D / N) / 2 even for perfect data:
    compare at equal N. Moments must be those of rows scaled to length 1.
    Blind to: no kind of collapse; it sees mean and covariance only.

    >>> import torch
    >>> round(w2_uniformity(torch.tensor([[5.0, 0.0], [-5.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 6)
    0.0
    >>> round(w2_uniformity(torch.ones(5, 3)), 6)
    1.414214
    """
    cloud = as_cloud(z)
    return math.sqrt(max(0.0, 2 - 2 * float(cloud.unit_spectrum.sqrt().sum()) / math.sqrt(cloud.dims)))


def _w2_of_isotropic(n: int, dims: int) -> float:
    return math.sqrt(max(0.0, 2 - 2 * float(isotropic_spectrum(n, dims).sqrt().sum()) / dims))


W2_UNIFORMITY = Measurement(
    "w2_uniformity",
    w2_uniformity,
    "W2 uniformity",
    f"{OF_UNIT}, divisor N",
    "spectrum",
    of="directions",
    direction="low",
    ideal=0.0,
    collapsed=math.sqrt(2),
    range=(0.0, math.sqrt(2)),
    interval="jackknife",
    biased=True,
    blind_to=frozenset(),
    expected=_w2_of_isotropic,
)


def uniformity(z: Rows, t: float = 2.0, *, seed: int = 0) -> float:
    """Wang & Isola's (2020) uniformity of z (N, D), rows scaled to length 1, over all pairs.

    log mean_{i<j} exp(-t |u_i - u_j|^2). In [-4 t, 0]; low is healthy, ideal -4 + 8 / D at t = 2; total
    collapse, zeros and one row give 0. Values of another t (lightly's default is 1) are not comparable.
    Above 8,192 rows, that of a sample drawn by `seed`.
    Blind to: dimensional collapse, dead and duplicate dimensions, or nearly: -3.94 for -3.97 with half of 256
    dimensions gone, -3.07 for -3.87 with 56 of 64.

    >>> import torch
    >>> round(uniformity(torch.tensor([[3.0, 0.0], [-0.1, 0.0]])), 6)
    -8.0
    """
    cloud = as_cloud(z, seed)
    apart = cloud.unit_apart
    return float(log_mean_kernel((block for _, block in apart), len(apart), t)) if len(apart) > 1 else 0.0


UNIFORMITY = Measurement(
    "uniformity",
    uniformity,
    "uniformity",
    f"{OF_UNIT}, t = 2, all pairs",
    "pairs",
    of="rows",
    direction="low",
    ideal=-4.0,
    collapsed=0.0,
    range=(-8.0, 0.0),
    interval="pairs",
    blind_to=WITHIN - {"cluster"},
    expected=lambda _, dims: math.log(hyp0f1(dims / 2, 4.0)) - 4,
    of_pairs=True,
)


def alignment(z1: Rows, z2: Rows) -> float:
    """Mean squared distance between the two views z1, z2 (N, D) of each sample, rows scaled to length 1.

    mean |u1 - u2|^2 = 2 - 2 mean cosine (Wang & Isola, 2020, alpha = 2). In [0, 4]; low is healthy when the
    uniformity is too; 2 means that the views have nothing in common.
    Blind to: every collapse; it is perfect, 0, at total collapse. Never show it alone.

    >>> import torch
    >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 7.0]]))
    2.0
    """
    one, two = as_cloud(z1).unit, as_cloud(z2).unit
    if one.shape != two.shape:
        raise UserError(
            f"The views have the shapes {tuple(one.shape)} and {tuple(two.shape)}: pass two of equal shape."
        )
    return float((one - two).square().sum(1).mean())


ALIGNMENT = Measurement(
    "alignment",
    alignment,
    "alignment of two views",
    f"{OF_UNIT}, squared distance",
    "views",
    of="pair",
    direction="low",
    ideal=0.0,
    collapsed=0.0,
    range=(0.0, 4.0),
    interval="pairs",
    blind_to=ALL,
    expected=lambda _n, _dims: 2.0,
)


def self_cluster(z: Data) -> float:
    """SelfCluster of z (N, D): the mean squared cosine of two rows, from that of uniform directions (0) to 1.

    (mean_{i != j} cos^2 - 1/D) / (1 - 1/D) (Tsitsulin et al., 2023), uncentered, without bias in N: an inverse
    participation ratio about the origin. In [-1 / (D - 1), 1]; low is healthy, ideal 0; total collapse, one
    row and zeros give 1, and so does one dimension. Moments must be those of rows scaled to length 1. Blind to:
    dimensional and cluster collapse down to a few directions (16 of 256 give 0.06), dead and duplicate dimensions.

    >>> import torch
    >>> round(self_cluster(torch.eye(3)), 6), self_cluster(torch.ones(5, 3))
    (-0.5, 1.0)
    """
    cloud = as_cloud(z)
    n, dims = cloud.n, cloud.dims
    squares = cloud.once(_squared_cosines)
    if n < 2 or dims < 2:
        return 1.0
    return min((squares / (n * (n - 1)) - 1 / dims) / (1 - 1 / dims), 1.0)


def _squared_cosines(z: Cloud) -> float:
    """The sum over ordered pairs of different rows; two rows of zeros are one point."""
    if z.moments is not None:
        return float(unit_moments(z.moments).uncentered_square) * z.n * z.n - z.n
    zeros = int((z.norms == 0).sum())
    gram = products(z.unit if z.n < z.dims else z.unit.T)
    return float(gram.square().sum()) - (z.n - zeros) + zeros * (zeros - 1)


SELF_CLUSTER = Measurement(
    "self_cluster",
    self_cluster,
    "SelfCluster",
    f"{OF_UNIT}, uncentered, unbiased",
    "spectrum",
    of="directions",
    direction="low",
    ideal=0.0,
    collapsed=1.0,
    range=(-1.0, 1.0),
    interval="jackknife",
    blind_to=WITHIN,
    expected=lambda _n, _dims: 0.0,
    of_pairs=True,
)
