"""How many directions do the embeddings use? One spectrum, read in the ways that are in use."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import centered, eigenvalues, embeddings, without_rounding
from fullrank.stats import Moments, hill

Convention = Literal["paper", "stable-pretraining", "centered", "eigenvalues"]


def effective_rank(z: Tensor | Moments) -> float:
    """Entropic effective rank of z (N, D): the exponential of the entropy of the covariance eigenvalues.

    D_1 = exp(-sum p log p), p = eigenvalues / sum: the Hill number of order 1 (Kim et al., 2023, VNE). Roy &
    Vetterli's (2007) takes singular values instead: `rankme(z, convention="centered")`. In [1, min(N - 1, D)];
    high is healthy, ideal D; total collapse, zeros and one row give 1. Grows with N: compare at equal N, and
    trust it from N = 10 D. Blind to: complete collapse and the cone, as it sees neither scale nor mean.

    >>> import torch
    >>> round(effective_rank(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 6)
    2.0
    """
    return float(hill(_eigenvalues(z), 1))


def rankme(z: Tensor | Moments, *, convention: Convention = "paper") -> float:
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
            return uncentered_rankme(_eigenvalues(z, center=False), 1e-7)
        case "stable-pretraining":
            return uncentered_rankme(_eigenvalues(z, center=False), 1e-5)
        case "centered":
            return float(hill(_eigenvalues(z).sqrt(), 1))
        case "eigenvalues":
            return effective_rank(z)
    raise UserError(f"There is no RankMe convention {convention!r}: paper, stable-pretraining, centered, eigenvalues.")


def uncentered_rankme(raw: Tensor, eps: float = 1e-7) -> float:
    """The paper's RankMe, given the eigenvalues of the uncentered second moment."""
    if raw[0] == 0:
        return 1.0
    p = raw.sqrt() / raw.sqrt().sum() + eps
    return float(torch.exp(-torch.xlogy(p, p).sum()))


def plugin_participation_ratio(z: Tensor | Moments) -> float:
    """Participation ratio of z (N, D): (sum of the covariance eigenvalues)^2 / sum of their squares.

    D_2, the Hill number of order 2; IsoScore is (D_2 - 1) / (D - 1). In [1, min(N - 1, D)]; high is healthy,
    ideal D; total collapse, zeros and one row give 1. Grows with N as 1 / (1/N + 1/PR): for a few hundred rows use
    `participation_ratio`. Even healthy spectra read low: 1/j decay gives 23 of 256.
    Blind to: complete collapse and the cone.

    >>> import torch
    >>> plugin_participation_ratio(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    1.470...
    """
    return float(hill(_eigenvalues(z), 2))


def participation_ratio(z: Tensor | Moments) -> float:
    """Participation ratio of the distribution behind z (N, D), right from a single batch of 32 on.

    The ratio of Himeno & Yamada's (2014) unbiased estimates of (tr C)^2 and tr C^2, free of any distribution.
    Moments hold all it needs, and no eigenvalue is computed of them. Cut to [1, D]; high is healthy, ideal D; total
    collapse, zeros and one row give 1. With N < 4, or if an estimate is not positive, the plug-in
    `plugin_participation_ratio` is answered. Relative error of one batch of 64: about 6 % (flat) to 17 % (1/j spectra).
    Blind to: complete collapse and the cone.

    >>> import torch
    >>> z = torch.randn(32, 256, generator=torch.Generator().manual_seed(0))
    >>> round(plugin_participation_ratio(z)), round(participation_ratio(z))
    (27, 230)
    """
    if isinstance(z, Moments):
        covariance = without_rounding(z).covariance
        trace, trace_of_square = float(covariance.trace()), float(covariance.square().sum())
        return unbiased_from(trace, trace_of_square, float(z.quartic), z.n, z.dims)
    x = embeddings(z)
    return unbiased_of_rows(x, eigenvalues(x))


def unbiased_of_rows(x: Tensor, spectrum: Tensor) -> float:
    """The unbiased participation ratio of x (N, D), given its covariance eigenvalues."""
    quartic = float(centered(x).square().sum(1).square().sum())
    return unbiased_from(float(spectrum.sum()), float(spectrum.square().sum()), quartic, *x.shape)


def unbiased_from(trace: float, trace_of_square: float, quartic: float, n: int, dims: int) -> float:
    """The same from tr C and tr C^2, C with divisor n, and the sum of the fourth powers of the centered norms."""
    if trace_of_square == 0:
        return 1.0
    plug_in = trace**2 / trace_of_square
    if n < 4:
        return plug_in
    trace, trace_of_square = trace * n / (n - 1), trace_of_square * (n / (n - 1)) ** 2
    fourth = n * quartic / (n - 1)
    squared_trace = 2 * trace_of_square + (n * n - 3 * n + 1) * trace**2 - fourth
    square = (n - 1) * (n - 2) * trace_of_square + trace**2 - fourth
    if squared_trace <= 0 or square <= 0:
        return plug_in
    return min(max(squared_trace / square, 1.0), float(dims))


def iso_score(z: Tensor | Moments) -> float:
    """IsoScore of z (N, D): (participation ratio - 1) / (D - 1), the share of directions used, from 0 to 1.

    Rudman et al.'s (2022) definition by the covariance in its principal axes is this, exactly; without the shrinkage
    of IsoScore*. In [0, 1]; high is healthy, ideal 1; total collapse, zeros and one row give 0, and so does one
    dimension. Plug-in, centered: perfect data read N / (N + D). Healthy values depend on the width. Blind to:
    complete collapse and the cone.

    >>> import torch
    >>> round(iso_score(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 4)
    0.4706
    """
    rank = plugin_participation_ratio(z)
    dims = z.dims if isinstance(z, Moments) else z.shape[1]
    return max(rank - 1, 0.0) / max(dims - 1, 1)


def stable_rank(z: Tensor | Moments) -> float:
    """Stable rank of z (N, D): squared Frobenius norm over squared spectral norm (Tsitsulin et al., 2023).

    D_inf of the uncentered spectrum, the sum of the eigenvalues over the largest; centered it is `nesum`. In [1,
    min(N, D)]; high is healthy, ideal D; total collapse, zeros and one row give 1. The lowest of all ranks: 6 of 256
    for a healthy 1/j spectrum. Blind to: no kind of collapse.

    >>> import torch
    >>> stable_rank(torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    1.25
    """
    if isinstance(z, Moments):
        return _over_largest(z, center=False)
    return float(hill(_eigenvalues(z, center=False), math.inf))


def nesum(z: Tensor | Moments) -> float:
    """NESum of z (N, D): the sum of the covariance eigenvalues over the largest (He & Ozay, 2022).

    D_inf of the centered spectrum. In [1, min(N - 1, D)]; high is healthy, ideal D; total collapse, zeros and one
    row give 1. Of all ranks the one that depends least on N. Blind to: complete collapse and the cone.

    >>> import torch
    >>> nesum(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    1.25
    """
    if isinstance(z, Moments):
        return _over_largest(z, center=True)
    return float(hill(_eigenvalues(z), math.inf))


def condition_number(z: Tensor | Moments) -> float:
    """Condition number of the covariance of z (N, D): largest over smallest of its D eigenvalues.

    In [1, inf]; low is healthy, ideal 1. Infinite when the covariance is singular: total collapse, zeros, N <= D,
    dead or duplicate dimensions; never NaN. Of eigenvalues: that of the centered embedding matrix is its root.
    For whitening losses; elsewhere one weak direction of many decides it. Blind to: complete collapse, cone.

    >>> import torch
    >>> condition_number(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    4.0
    """
    values = _eigenvalues(z)
    dims = z.dims if isinstance(z, Moments) else z.shape[1]
    smallest = float(values[-1]) if len(values) == dims else 0.0
    return float(values[0]) / smallest if smallest > 0 else math.inf


def dims_for_variance(z: Tensor | Moments, share: float = 0.90) -> int:
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
    return components(_eigenvalues(z), share)


def components(spectrum: Tensor, share: float) -> int:
    """Number of leading eigenvalues that hold `share` of their sum."""
    enough = share * (1 - 1e-12) * spectrum.sum()  # a share that is reached exactly is reached
    return 1 + int((spectrum.cumsum(0)[:-1] < enough).sum())


def _eigenvalues(z: Tensor | Moments, *, center: bool = True) -> Tensor:
    return eigenvalues(z if isinstance(z, Moments) else embeddings(z), center=center)


def _over_largest(z: Moments, *, center: bool) -> float:
    """The sum of the eigenvalues over the largest, without the others."""
    z = without_rounding(z)
    largest = z.largest[0 if center else 1]
    trace = float(z.variance.sum()) + (0.0 if center else float(z.center.square().sum()))
    return max(trace / largest, 1.0) if largest > 0 else 1.0
