"""The shape of the spectrum, which tells kinds of low rank apart: Hill profile, decay, area, power law, coherence."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from fullrank.metrics.cloud import Cloud, Data, as_cloud
from fullrank.metrics.isotropic import isotropic_spectrum
from fullrank.metrics.participation import participation_ratio
from fullrank.metrics.rank import possible, rankme_centered
from fullrank.metrics.record import MEAN, OF_COVARIANCE, Measurement
from fullrank.stats import decay, hill

ORDERS = (0.0, 0.5, 1.0, 2.0, math.inf)


def hill_profile(z: Data, orders: Sequence[float] = ORDERS) -> dict[float, float]:
    """Hill numbers of the covariance eigenvalues by order: one spectrum, and every rank in use.

    Order 0 is the numerical rank, 1/2 gives W2 uniformity, 1 the effective rank, 2 the participation ratio, and inf
    NESum. A profile that is flat and low means few directions of equal size. One that falls steeply at first means few
    large directions before many others (a rogue dimension, two modalities). Eigenvalues are centered, divisor N,
    plug-in: the orders below 2 grow most with N.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.
        orders: The orders, at least 0.

    Returns:
        The Hill number for each order, in [1, min(N - 1, D)], falling with the order; high is healthy; total collapse,
            zeros and one row give 1.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> {order: round(value, 2) for order, value in hill_profile(torch.diag(torch.tensor([3.0, 1.0, 1.0]))).items()}
    {0.0: 2.0, 0.5: 1.69, 1.0: 1.49, 2.0: 1.31, inf: 1.16}
    """
    spectrum = as_cloud(z).spectrum
    return {order: float(hill(spectrum, order)) for order in orders}


def decay_exponent(z: Data) -> float:
    """The exponent a of the power law j^-a that has the participation ratio of the rows: a rank without its width.

    It takes the unbiased participation ratio, so it is accurate from 32 rows on, and comparable between widths, where a
    share of D is not: a healthy a = 1 has 14 % of 128 dimensions and 1 % of 4,096. The metric is ours.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 8]; low is healthy, 0 (isotropic) is ideal, 1 is usual, and above 1.4 little is left; total
            collapse, zeros and one row give 8, the end of the scale.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> z = torch.randn(200, 64, generator=torch.Generator().manual_seed(0)) / torch.arange(1, 65) ** 0.5
    >>> round(decay_exponent(z), 1)
    1.0
    """
    return as_cloud(z).once(_decay_exponent)


def _decay(found: Mapping[str, float], rank: str, order: float, dims: int) -> float:
    return decay(found[rank], order, dims) if rank in found else math.nan


def _decay_exponent(z: Cloud) -> float:
    return decay(participation_ratio(z), 2, z.dims)


DECAY_EXPONENT = Measurement(
    "decay_exponent",
    decay_exponent,
    "power-law exponent of the participation ratio",
    "of the unbiased participation ratio; free of the width",
    "spectrum",
    of="moments",
    direction="low",
    ideal=0.0,
    collapsed=8.0,
    range=(0.0, 8.0),
    interval="jackknife",
    blind_to=MEAN,
    expected=lambda _n, _dims: 0.0,
    way=1.0,
    follows=lambda found, _n, dims: _decay(found, "participation_ratio", 2, dims),
)


def head_weight(z: Data) -> float:
    """How much more decayed the spectrum looks by its participation ratio than by the entropy of its singular values.

    It is the power-law exponent of the unbiased participation ratio minus that of centered RankMe over min(N - 1, D)
    dimensions. It is valid only from N = 2 D on, as RankMe grows with N. The metric is ours.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [-16, 8]; neither direction is healthy. Near 0 (within 0.2) is a smooth decay; above 0.25, a few
            large directions before the rest (rogue dimensions, a modality gap); below -0.5, a cut-off (few directions
            of equal size); an isotropic cloud gives -0.3 to -0.4; total collapse, zeros and one row give 0.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> z = torch.randn(400, 64, generator=torch.Generator().manual_seed(0))
    >>> head_weight(z * torch.cat([torch.tensor([30.0]), torch.ones(63)])) > 0.25  # one rogue dimension
    True
    """
    cloud = as_cloud(z)
    if cloud.spectrum.sum() == 0:
        return 0.0
    return decay_exponent(cloud) - 2 * decay(rankme_centered(cloud), 1, min(cloud.n - 1, cloud.dims))  # sigma, by half


def _head_weight(found: Mapping[str, float], n: int, dims: int) -> float:
    if n < 2 * dims:
        return math.nan
    return _decay(found, "participation_ratio", 2, dims) - 2 * _decay(found, "rankme_centered", 1, possible(n, dims))


HEAD_WEIGHT = Measurement(
    "head_weight",
    head_weight,
    "weight of the head of the spectrum",
    "difference of two power-law exponents; N >= 2 D",
    "spectrum",
    of="moments",
    collapsed=0.0,
    range=(-16.0, 8.0),
    interval="jackknife",
    biased=True,
    blind_to=MEAN,
    per_dim=2.0,
    follows=_head_weight,
)


def spectrum_auc(z: Data) -> float:
    """Area under the curve of cumulative explained variance: the mean of the D cumulative shares, centered.

    The idea is that of Li et al. (2022, arXiv:2209.15007); we did not check the exact form against the paper, so it is
    ours.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [(1 + 1/D) / 2, 1]; low is healthy, 1/2 is ideal; total collapse, zeros and one row give 1.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> spectrum_auc(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    0.75
    """
    cloud = as_cloud(z)
    return auc(cloud.spectrum, cloud.dims)


def auc(spectrum: Tensor, dims: int) -> float:
    """The mean of the cumulative shares of a spectrum (min(N, D),) in `dims` dimensions."""
    if spectrum.sum() == 0:
        return 1.0
    return float((spectrum / spectrum.sum()).cumsum(0).sum() + dims - len(spectrum)) / dims


SPECTRUM_AUC = Measurement(
    "spectrum_auc",
    spectrum_auc,
    "area under cumulative variance",
    OF_COVARIANCE,
    "spectrum",
    of="moments",
    direction="low",
    ideal=0.5,
    collapsed=1.0,
    range=(0.5, 1.0),
    blind_to=MEAN,
    expected=lambda n, dims: auc(isotropic_spectrum(n, dims), dims),
)
