"""Ranks: how many directions the embeddings use, by one spectrum and the definitions that are in use."""

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
    """Entropic effective rank: the exponential of the entropy of the covariance eigenvalues.

    D_1 = exp(-sum p log p), p = eigenvalues / sum, is the Hill number of order 1 (Kim et al., 2023, VNE). Roy &
    Vetterli (2007) take singular values instead: `rankme(z, convention="centered")`. It grows with N: compare at equal
    N, and trust it from N = 10 D.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, min(N - 1, D)]; high is healthy, D is ideal; total collapse, zeros and one row give 1.

    Blind to: complete collapse and the cone, as it sees neither scale nor mean.

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
    """RankMe: the exponential of the entropy of the singular values, in one of five conventions that share the name.

    - "paper" (Garrido et al., 2023): uncentered, p = sigma / sum + 1e-7, not renormalized.
    - "stable-pretraining": the same with 1e-5, so total collapse reads 1.3 at D = 2048.
    - "centered" (MONAI, req-metrics; Roy & Vetterli's effective rank, 2007): centered, nothing added.
    - "eigenvalues" (reptrix, ssrlib): centered covariance eigenvalues, which is `effective_rank`.

    The fifth, vecscope's "effective rank", is the `plugin_participation_ratio` of rows scaled to length 1. RankMe grows
    with N: compare at equal N (the paper: 25,600). Noise raises it.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.
        convention: One of the four names above.

    Returns:
        A number in [1, min(N, D)] up to the constant added; high is healthy, D is ideal; total collapse and one row
            give 1 (1.003 at D = 2048), zeros exactly 1.

    Raises:
        UserError: The convention is unknown.

    Blind to: no kind of collapse, but slow to see a cone (162 of 256 at cosine 0.9); the centered conventions are blind
    to complete collapse and the cone.

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
    """`rankme` by its centered convention: Roy & Vetterli's effective rank (2007). It grows with N, and noise raises
    it.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, min(N - 1, D)]; high is healthy, D is ideal; total collapse, zeros and one row give 1.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> round(rankme_centered(torch.eye(4)), 3)
    3.0
    """
    return rankme(z, convention="centered")


def rank_share(z: Data) -> float:
    """`rankme_centered` over min(N - 1, D), the share of the possible directions that are in use.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 1]; high is healthy, 1 is ideal; total collapse, zeros and one row give 1 / min(N - 1, D).

    Blind to: complete collapse and the cone, and a rank that is lost under noise: see `signal_share`.

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
    title="centered RankMe, share of what is possible",
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
    """Stable rank: the squared Frobenius norm over the squared spectral norm (Tsitsulin et al., 2023).

    It is D_inf of the uncentered spectrum, the sum of the eigenvalues over the largest; centered it is `nesum`. It is
    the lowest of all ranks: 6 of 256 for a healthy 1/j spectrum.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, min(N, D)]; high is healthy, D is ideal; total collapse, zeros and one row give 1.

    Blind to: no kind of collapse.

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
    """NESum: the sum of the covariance eigenvalues over the largest (He & Ozay, 2022), D_inf of the centered spectrum.

    Of all ranks it depends least on N.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, min(N - 1, D)]; high is healthy, D is ideal; total collapse, zeros and one row give 1.

    Blind to: complete collapse and the cone.

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


def dims_for_variance(z: Data, share: float = 0.90) -> int:
    """Number of principal components that hold a share of the variance.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.
        share: The share, above 0 and at most 1.

    Returns:
        A number in [1, min(N - 1, D)]; high is healthy, share x D is ideal; total collapse, zeros and one row give 1.

    Raises:
        UserError: The share is out of range.

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
