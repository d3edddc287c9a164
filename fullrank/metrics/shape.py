"""The shape of the spectrum: which kind of low rank is it? Hill profile, decay, area, power law, coherence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import eigenvalues, embeddings, unit_moments, unit_rows
from fullrank.metrics.rank import participation_ratio
from fullrank.stats import Moments, decay, hill

_SURE = 1e-6  # of the largest diagonal entry of a triangular factor: above it no direction is rounding
ORDERS = (0.0, 0.5, 1.0, 2.0, math.inf)


def hill_profile(z: Tensor | Moments, orders: Sequence[float] = ORDERS) -> dict[float, float]:
    """Hill numbers of the covariance eigenvalues of z (N, D) by order: one spectrum, every rank in use.

    Order 0 is the numerical rank, 1/2 gives W2 uniformity, 1 the effective rank, 2 the participation ratio, inf NESum.
    Each in [1, min(N - 1, D)], falling with the order; high is healthy; total collapse, zeros and one row give
    1. Flat and low: few directions, all alike. Steep at once: few large ones before many (a rogue dimension, two
    modalities). Centered, divisor N, plug-in: the orders below 2 grow with N most. Blind to: complete collapse and
    the cone.

    >>> {order: round(value, 2) for order, value in hill_profile(torch.diag(torch.tensor([3.0, 1.0, 1.0]))).items()}
    {0.0: 2.0, 0.5: 1.69, 1.0: 1.49, 2.0: 1.31, inf: 1.16}
    """
    spectrum = eigenvalues(z if isinstance(z, Moments) else embeddings(z))
    return {order: float(hill(spectrum, order)) for order in orders}


def decay_exponent(z: Tensor | Moments) -> float:
    """The exponent a of the power law j^-a whose participation ratio is that of z (N, D): a rank without its width.

    By the unbiased participation ratio, so it is right from 32 rows on and comparable between widths, where a share
    of D is not: a healthy a = 1 has 14 % of 128 dimensions and 1 % of 4,096. In [0, 8]; low is healthy, ideal
    0 (isotropic), 1 is usual, above 1.4 little is left; total collapse, zeros and one row give 8, the end of the
    scale. Ours. Blind to: complete collapse and the cone.

    >>> z = torch.randn(200, 64, generator=torch.Generator().manual_seed(0)) / torch.arange(1, 65) ** 0.5
    >>> round(decay_exponent(z), 1)
    1.0
    """
    rank = participation_ratio(z)
    return decay(rank, 2, z.dims if isinstance(z, Moments) else z.shape[1])


def head_weight(z: Tensor | Moments) -> float:
    """How much more the participation ratio of z (N, D) says "decayed" than the entropy of its singular values does.

    The power-law exponent of the unbiased participation ratio, minus that of centered RankMe over min(N - 1, D)
    dimensions. In [-16, 8], no direction is healthy: near 0 (within 0.2) a smooth decay; above 0.25 a few large
    directions before the rest (rogue dimensions, a modality gap); below -0.5 a cut-off (few directions, all alike);
    an isotropic cloud gives -0.3 to -0.4. Only from N = 2 D on, as RankMe grows with N. Ours. Total collapse, zeros and
    one row give 0. Blind to: complete collapse and the cone.

    >>> z = torch.randn(400, 64, generator=torch.Generator().manual_seed(0))
    >>> head_weight(z * torch.cat([torch.tensor([30.0]), torch.ones(63)])) > 0.25  # one rogue dimension
    True
    """
    spectrum = eigenvalues(z if isinstance(z, Moments) else embeddings(z))
    if spectrum.sum() == 0:
        return 0.0
    n, dims = (z.n, z.dims) if isinstance(z, Moments) else (z.shape[0], z.shape[1])
    rankme = float(hill(spectrum.sqrt(), 1))
    return decay_exponent(z) - 2 * decay(rankme, 1, min(n - 1, dims))  # sigma decays half as fast


def spectrum_auc(z: Tensor | Moments) -> float:
    """Area under the curve of cumulative explained variance of z (N, D): the mean of the D cumulative shares.

    In [(1 + 1/D) / 2, 1]; low is healthy, ideal 1/2; total collapse, zeros and one row give 1. Centered. The idea is
    of Li et al. (2022, arXiv:2209.15007); the exact form was not checked against the paper: ours. Blind to: complete
    collapse and the cone.

    >>> spectrum_auc(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    0.75
    """
    spectrum = eigenvalues(z if isinstance(z, Moments) else embeddings(z))
    dims = z.dims if isinstance(z, Moments) else z.shape[1]
    return auc(spectrum, dims)


def auc(spectrum: Tensor, dims: int) -> float:
    """The mean of the cumulative shares of a spectrum (min(N, D),) in `dims` dimensions."""
    if spectrum.sum() == 0:
        return 1.0
    return float((spectrum / spectrum.sum()).cumsum(0).sum() + dims - len(spectrum)) / dims


@dataclass(frozen=True)
class PowerLaw:
    """An exponent fitted to eigenvalues `first` to `last`, and the share of their log variance it explains."""

    exponent: float
    r_squared: float
    first: int
    last: int


def alpha_req(z: Tensor | Moments, *, first: int = 11, last: int = 100) -> PowerLaw | None:
    """alpha-ReQ of z (N, D): the exponent of a power law fitted to its covariance eigenvalues, and how well it fits.

    Agrawal et al. (2022): log eigenvalue against -log j, weighted by 1 / j, over j = 11 to 100 as in reptrix.
    Centered. About 1 is healthy, far above collapsed, far below whitened; but not an order of collapse: 16 equal
    directions of 256 give 0.2. Never read it without the fit and a rank. None where fewer than 3 positive
    eigenvalues are in reach (N or D up to 13, any collapse to a point). Blind to: complete collapse with noise left,
    the cone, and what happens before `first`.

    >>> index = torch.arange(1.0, 65)
    >>> rows = torch.cat([torch.diag(1 / index), -torch.diag(1 / index)])  # eigenvalues j^-2
    >>> law = alpha_req(rows)
    >>> round(law.exponent, 6), round(law.r_squared, 6), law.last
    (2.0, 1.0, 64)
    """
    if not 1 <= first < last:
        raise UserError(f"The fit is over eigenvalues {first} to {last}: pass 1 <= first < last.")
    spectrum = eigenvalues(z if isinstance(z, Moments) else embeddings(z))
    positive = spectrum[first - 1 : last]
    positive = positive[positive > 0]
    if len(positive) < 3:
        return None
    index = torch.arange(first, first + len(positive), dtype=torch.float64, device=positive.device)
    weight = (1 / index) / (1 / index).sum()
    x, y = -index.log(), positive.log()
    x, y = x - weight @ x, y - weight @ y
    slope = float(weight @ (x * y)) / float(weight @ x.square())
    total = float(weight @ y.square())
    left = float(weight @ (y - slope * x).square())
    return PowerLaw(slope, 1 - left / total if total > 0 else 1.0, first, first + len(positive) - 1)


def self_cluster(z: Tensor | Moments) -> float:
    """SelfCluster of z (N, D): the mean squared cosine of two rows, from that of uniform directions (0) to 1.

    (mean_{i != j} cos^2 - 1/D) / (1 - 1/D) (Tsitsulin et al., 2023), uncentered, without bias in N: an inverse
    participation ratio about the origin. In [-1 / (D - 1), 1]; low is healthy, ideal 0; total collapse, one
    row and zeros give 1, and so does one dimension. Moments must be those of rows scaled to length 1. Blind to:
    dimensional and cluster collapse down to a few directions (16 of 256 give 0.06), dead and duplicate dimensions.

    >>> round(self_cluster(torch.eye(3)), 6), self_cluster(torch.ones(5, 3))
    (-0.5, 1.0)
    """
    if isinstance(z, Moments):
        n, dims = z.n, z.dims
        squares = float(unit_moments(z).second_moment.square().sum()) * n * n - n
    else:
        u = unit_rows(z)
        n, dims = u.shape
        own = u.square().sum(1)
        zeros = int((own == 0).sum())
        gram = u.T @ u if dims < n else u @ u.T
        squares = float(gram.square().sum() - own.square().sum()) + zeros * (zeros - 1)
    if n < 2 or dims < 2:
        return 1.0
    return min((squares / (n * (n - 1)) - 1 / dims) / (1 - 1 / dims), 1.0)


def coherence(z: Tensor) -> float:
    """Coherence of z (N, D): the largest share of one row in the column space, times N / rank.

    max_i |U_i|^2 N / r over the left singular vectors above rounding (Tsitsulin et al., 2023), uncentered. In [1,
    N / r]; 1 when all rows weigh alike; total collapse, zeros and one row give 1. Sees outlying rows, grades no
    collapse. The least stable of all under subsampling.

    >>> coherence(torch.eye(3)), coherence(torch.tensor([[9.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    (1.0, 1.5)
    """
    x = embeddings(z)
    if not bool(x.any()):
        return 1.0
    tall = len(x) >= x.shape[1]
    left, factor = torch.linalg.qr(x if tall else x.T, mode="reduced" if tall else "r")
    sides = factor.diagonal().abs()
    if float(sides.min()) > _SURE * float(sides.max()):  # full rank for sure: the shares are those of any basis
        return float(left.square().sum(1).max()) * len(x) / x.shape[1] if tall else 1.0
    left, sigma, _ = torch.linalg.svd(x, full_matrices=False)
    kept = sigma > sigma[0] * max(x.shape) * torch.finfo(x.dtype).eps
    return float(left[:, kept].square().sum(1).max()) * len(x) / int(kept.sum())
