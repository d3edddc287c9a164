"""How evenly the directions fill the sphere, and how close the two views of an image are."""

from __future__ import annotations

import math

import torch
from scipy.special import hyp0f1
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import unit_moments
from fullrank.metrics._pairs import sample
from fullrank.metrics.cloud import Cloud, Data, Rows, as_cloud
from fullrank.metrics.isotropic import isotropic_spectrum
from fullrank.metrics.record import ALL, OF_UNIT, WITHIN, Measurement
from fullrank.stats import log_mean_kernel, products

_MANY = 1024  # rows, above which the mean over pairs hides the rounding of single ones
_SHARPEST = 4.0  # t, up to which no kernel value of two unit rows vanishes in float32
_BLOCK = 256  # rows whose pairs with all later ones are held at a time


def w2_uniformity(z: Data) -> float:
    """W2 uniformity: Wasserstein-2 distance of the rows, scaled to length 1, from the uniform distribution on the
    sphere.

    It is sqrt(2 - 2 tr(C^1/2) / sqrt(D)), with C the covariance of divisor N, which for unit rows equals that of Fang
    et al. (2024), sqrt(|mean|^2 + 1 + tr C - 2 tr(C^1/2) / sqrt(D)): a Gaussian fitted to the rows against N(0, I / D).
    It also equals sqrt(2 - 2 sqrt(tr C x D_1/2 / D)) with the Hill number D_1/2. Even perfect data have a floor of
    about sqrt(D / N) / 2: compare at equal N.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`, or the moments of rows scaled to length 1.

    Returns:
        A number in [0, sqrt 2]; low is healthy, 0 is ideal; total collapse, zeros and one row give sqrt 2.

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
    """Uniformity of Wang & Isola (2020), over all pairs of rows scaled to length 1.

    It is log mean_{i<j} exp(-t |u_i - u_j|^2). Values of different t (lightly's default is 1) are not comparable.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        t: Sharpness of the potential, above 0.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        A number in [-4 t, 0]; low is healthy, -4 + 8 / D is ideal at t = 2; total collapse, zeros and one row give 0.

    Blind to: dimensional collapse, dead and duplicate dimensions, or nearly so: -3.94 for -3.97 with half of 256
    dimensions gone, -3.07 for -3.87 with 56 of 64.

    >>> import torch
    >>> round(uniformity(torch.tensor([[3.0, 0.0], [-0.1, 0.0]])), 6)
    -8.0
    """
    cloud = as_cloud(z, seed)
    if cloud.n > _MANY and t <= _SHARPEST and torch.get_float32_matmul_precision() == "highest":
        return _of_many(sample(cloud.unit, cloud.seed), t)
    apart = cloud.unit_apart
    return float(log_mean_kernel((block for _, block in apart), len(apart), t)) if len(apart) > 1 else 0.0


def _of_many(u: Tensor, t: float) -> float:
    """The uniformity of unit rows u (N, D), in float32 about their mean and summed in float64.

    A single pair is rounded to 1e-7 of the spread, and the value to 1e-8, at half the time of float64.
    """
    mean = u.mean(0)
    x = torch.cat([(rows - mean).float() for rows in u.split(_BLOCK)])
    squares, n = x.square().sum(1).mul_(-t), len(x)
    total = torch.zeros((), dtype=torch.float64, device=x.device)
    for start in range(0, n, _BLOCK):
        rows = x[start : start + _BLOCK]
        kernel = torch.addmm(squares[start:], rows, x[start:].T, alpha=2 * t)
        kernel.add_(squares[start : start + len(rows), None]).exp_()
        total += kernel[:, : len(rows)].triu(1).sum(dtype=torch.float64)
        total += kernel[:, len(rows) :].sum(dtype=torch.float64)
    return min(math.log(float(total) / (n * (n - 1) / 2)), 0.0)


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
    """Mean squared distance between the two views of each sample, of rows scaled to length 1.

    It is mean |u1 - u2|^2 = 2 - 2 mean cosine (Wang & Isola, 2020, alpha = 2). Never show it alone.

    Args:
        z1: One view (N, D).
        z2: The other view (N, D) of the same samples.

    Returns:
        A number in [0, 4]; low is healthy when the uniformity is low too; 2 means that the views have nothing in
            common.

    Raises:
        UserError: The shapes differ.

    Blind to: every collapse; it is perfect, 0, at total collapse.

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
    """SelfCluster: the mean squared cosine of two rows, scaled so that uniform directions give 0 and one point 1.

    It is (mean_{i != j} cos^2 - 1/D) / (1 - 1/D) (Tsitsulin et al., 2023), uncentered and unbiased in N: an inverse
    participation ratio about the origin.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`, or the moments of rows scaled to length 1.

    Returns:
        A number in [-1 / (D - 1), 1]; low is healthy, 0 is ideal; total collapse, one row, zeros and one dimension
            give 1.

    Blind to: dimensional and cluster collapse down to a few directions (16 of 256 give 0.06), dead and duplicate
    dimensions.

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
    """The sum over ordered pairs of different rows; two zero vectors are one point."""
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
