"""How many directions do the embeddings use? One spectrum, read in the ways that are in use."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics.cloud import Data, as_cloud
from fullrank.metrics.isotropic import isotropic_hill, isotropic_spectrum
from fullrank.metrics.record import MEAN, OF_COVARIANCE, Measurement, rank_record
from fullrank.stats import Moments, hill

Convention = Literal["paper", "stable-pretraining", "centered", "eigenvalues"]


def effective_rank(z: Data) -> float:
    """Entropic effective rank of z (N, D): the exponential of the entropy of the covariance eigenvalues.

    D_1 = exp(-sum p log p), p = eigenvalues / sum: the Hill number of order 1 (Kim et al., 2023, VNE). Roy &
    Vetterli's (2007) takes singular values instead: `rankme(z, convention="centered")`. In [1, min(N - 1, D)];
    high is healthy, ideal D; total collapse, zeros and one row give 1. Grows with N: compare at equal N, and
    trust it from N = 10 D. Blind to: complete collapse and the cone, as it sees neither scale nor mean.

    >>> import torch
    >>> round(effective_rank(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 6)
    2.0
    """
    return float(hill(as_cloud(z).spectrum, 1))


EFFECTIVE_RANK = rank_record(
    "effective_rank",
    effective_rank,
    "effective rank D1",
    f"of eigenvalues, {OF_COVARIANCE}",
    expected=lambda n, dims: isotropic_hill(n, dims, 1),
    blind_to=MEAN,
    biased=True,
)


def rankme(z: Data, *, convention: Convention = "paper") -> float:
    """RankMe of z (N, D): the exponential of the entropy of the singular values. Five numbers bear this name.

    - "paper" (Garrido et al., 2023): uncentered, p = sigma / sum + 1e-7, not renormalized.
    - "stable-pretraining": the same with 1e-5, so total collapse reads 1.3 at D = 2048.
    - "centered" (MONAI, req-metrics; Roy & Vetterli's effective rank, 2007): centered, nothing added.
    - "eigenvalues" (reptrix, ssrlib): centered covariance eigenvalues, which is `effective_rank`.

    (vecscope's "effective rank" is the `plugin_participation_ratio` of rows scaled to length 1.) In [1, min(N, D)] up
    to the constant added; high is healthy, ideal D; total collapse and one row give 1 (1.003 at D = 2048), zeros
    exactly 1. Grows with N: compare at equal N (the paper: 25,600). Noise raises it. Blind to: no kind of collapse,
    but slow to see a cone (162 of 256 at cosine 0.9); the centered conventions are blind to complete collapse and
    the cone.

    >>> import torch
    >>> round(rankme(torch.eye(4)), 3), round(rankme(torch.eye(4), convention="centered"), 3)
    (4.0, 3.0)
    """
    match convention:
        case "paper":
            return uncentered_rankme(as_cloud(z).uncentered, 1e-7)
        case "stable-pretraining":
            return uncentered_rankme(as_cloud(z).uncentered, 1e-5)
        case "centered":
            return float(hill(as_cloud(z).spectrum.sqrt(), 1))
        case "eigenvalues":
            return effective_rank(z)
    raise UserError(f"There is no RankMe convention {convention!r}: paper, stable-pretraining, centered, eigenvalues.")


RANKME = rank_record(
    "rankme",
    rankme,
    "RankMe",
    "of singular values, uncentered, eps 1e-7 (Garrido et al.)",
    expected=lambda n, dims: isotropic_hill(n + 1, dims, 1, root=True),
    blind_to=frozenset(),
    biased=True,
)


def rankme_centered(z: Data) -> float:
    """`rankme` of z (N, D) by its centered convention: Roy & Vetterli's effective rank (2007).

    In [1, min(N - 1, D)]; high is healthy, ideal D; total collapse, zeros and one row give 1. Grows with N; noise
    raises it. Blind to: complete collapse and the cone.

    >>> import torch
    >>> round(rankme_centered(torch.eye(4)), 3)
    3.0
    """
    return rankme(z, convention="centered")


def rank_share(z: Data) -> float:
    """`rankme_centered` of z (N, D) over min(N - 1, D), the share of the directions that are possible.

    In [0, 1]; high is healthy, ideal 1; total collapse, zeros and one row give 1 / min(N - 1, D), at least 0. Blind to:
    complete collapse and the cone, and to a lost rank under noise: see `signal_share`.

    >>> import torch
    >>> round(rank_share(torch.eye(4)), 3)
    1.0
    """
    cloud = as_cloud(z)
    return rankme_centered(cloud) / possible(cloud.n, cloud.dims)


def possible(n: int, dims: int) -> int:
    """How many directions n rows in `dims` dimensions can have about their mean, at least 1."""
    return max(min(n - 1, dims), 1)


RANKME_CENTERED = rank_record(
    "rankme_centered",
    rankme_centered,
    "RankMe, centered",
    f"of singular values, {OF_COVARIANCE}",
    expected=lambda n, dims: isotropic_hill(n, dims, 1, root=True),
    blind_to=MEAN,
    biased=True,
)
RANK_SHARE = Measurement(
    name="rank_share",
    function=rank_share,
    title="centered RankMe of what is possible",
    group="spectrum",
    conventions="over min(N - 1, D)",
    of="moments",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
    interval="jackknife",
    biased=True,
    blind_to=MEAN,
    expected=lambda n, dims: isotropic_hill(n, dims, 1, root=True) / possible(n, dims),
    follows=lambda found, n, dims: found.get("rankme_centered", math.nan) / possible(n, dims),
)


def uncentered_rankme(raw: Tensor, eps: float = 1e-7) -> float:
    """The paper's RankMe, given the eigenvalues of the uncentered second moment."""
    if raw[0] == 0:
        return 1.0
    p = raw.sqrt() / raw.sqrt().sum() + eps
    return float(torch.exp(-torch.xlogy(p, p).sum()))


def stable_rank(z: Data) -> float:
    """Stable rank of z (N, D): squared Frobenius norm over squared spectral norm (Tsitsulin et al., 2023).

    D_inf of the uncentered spectrum, the sum of the eigenvalues over the largest; centered it is `nesum`. In [1,
    min(N, D)]; high is healthy, ideal D; total collapse, zeros and one row give 1. The lowest of all ranks: 6 of 256
    for a healthy 1/j spectrum. Blind to: no kind of collapse.

    >>> import torch
    >>> stable_rank(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    1.25
    """
    cloud = as_cloud(z)
    if cloud.moments is not None:
        return _over_largest(cloud.moments, center=False)
    return float(hill(cloud.uncentered, math.inf))


STABLE_RANK = rank_record(
    "stable_rank",
    stable_rank,
    "stable rank",
    "uncentered, not normalized",
    expected=lambda n, dims: isotropic_hill(n + 1, dims, math.inf),
    blind_to=frozenset(),
)


def nesum(z: Data) -> float:
    """NESum of z (N, D): the sum of the covariance eigenvalues over the largest (He & Ozay, 2022).

    D_inf of the centered spectrum. In [1, min(N - 1, D)]; high is healthy, ideal D; total collapse, zeros and one
    row give 1. Of all ranks the one that depends least on N. Blind to: complete collapse and the cone.

    >>> import torch
    >>> nesum(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    1.25
    """
    cloud = as_cloud(z)
    if cloud.moments is not None:
        return _over_largest(cloud.moments, center=True)
    return float(hill(cloud.spectrum, math.inf))


def _over_largest(z: Moments, *, center: bool) -> float:
    """The sum of the eigenvalues over the largest, without the others."""
    largest = z.largest[0 if center else 1]
    trace = float(z.variance.sum()) + (0.0 if center else float(z.center.square().sum()))
    return max(trace / largest, 1.0) if largest > 0 else 1.0


NESUM = rank_record(
    "nesum",
    nesum,
    "NESum",
    f"of eigenvalues, {OF_COVARIANCE}",
    expected=lambda n, dims: isotropic_hill(n, dims, math.inf),
    blind_to=MEAN,
)


def condition_number(z: Data) -> float:
    """Condition number of the covariance of z (N, D): largest over smallest of its D eigenvalues.

    In [1, inf]; low is healthy, ideal 1. Infinite when the covariance is singular: total collapse, zeros, N <= D,
    dead or duplicate dimensions; never NaN. Of eigenvalues: that of the centered embedding matrix is its root.
    For whitening losses; elsewhere one weak direction of many decides it. Blind to: complete collapse, cone.

    >>> import torch
    >>> condition_number(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    4.0
    """
    cloud = as_cloud(z)
    values = cloud.spectrum
    smallest = float(values[-1]) if len(values) == cloud.dims else 0.0
    return float(values[0]) / smallest if smallest > 0 else math.inf


def _largest_over_smallest(n: int, dims: int) -> float:
    spectrum = isotropic_spectrum(n, dims)
    return float(spectrum[0] / spectrum[-1]) if n > dims else math.inf


CONDITION_NUMBER = Measurement(
    name="condition_number",
    function=condition_number,
    of="moments",
    direction="low",
    ideal=1.0,
    collapsed=math.inf,
    range=(1.0, math.inf),
    blind_to=MEAN,
    expected=_largest_over_smallest,
)


def dims_for_variance(z: Data, share: float = 0.90) -> int:
    """Number of principal components that hold `share` (0 to 1) of the variance of z (N, D).

    In [1, min(N - 1, D)]; high is healthy, ideal share x D; total collapse, zeros and one row give 1.
    Blind to: complete collapse and the cone.

    >>> import torch
    >>> z = torch.tensor([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # variances 4.5 and 0.5
    >>> dims_for_variance(z, 0.90), dims_for_variance(z, 0.95)
    (1, 2)
    """
    if not 0 < share <= 1:
        raise UserError(f"The share of variance is {share}: pass a number above 0 and at most 1, such as 0.9.")
    return components(as_cloud(z).spectrum, share)


def components(spectrum: Tensor, share: float) -> int:
    """Number of leading eigenvalues that hold `share` of their sum."""
    enough = share * (1 - 1e-12) * spectrum.sum()  # a share that is reached exactly is reached
    return 1 + int((spectrum.cumsum(0)[:-1] < enough).sum())


DIMS_FOR_VARIANCE = rank_record(
    "dims_for_variance",
    dims_for_variance,
    "dimensions for 90 % of variance",
    OF_COVARIANCE,
    expected=lambda n, dims: components(isotropic_spectrum(n, dims), 0.9),
    blind_to=MEAN,
    ideal=0.9,
    interval="none",
)
