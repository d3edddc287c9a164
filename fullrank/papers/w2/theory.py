"""What Fang, Li, Sun & Wang (2024), arXiv:2403.00642, say in closed form about points on a sphere; and such points.

All of it is about rows that are uniform on the unit sphere of `alive` dimensions, padded with zeros to `dims`.
"""

from __future__ import annotations

import math

import torch
from scipy.special import betainc, betaincinv, gammaln, hyp0f1, ndtr, psi
from torch import Tensor
from torch.nn.functional import pad

from fullrank.metrics import isotropic_spectrum
from fullrank.stats import moments, normalize, spectrum


def sphere(n: int, alive: int, dims: int, seed: int) -> Tensor:
    """Rows (n, dims) as the paper draws them: Gaussian in the first `alive` dimensions, then scaled to length 1."""
    drawn = torch.randn(n, alive, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return pad(normalize(drawn), (0, dims - alive))


def raw_w2(z: Tensor) -> float:
    """The paper's eq. 8 of z (N, D) as it is, not scaled to length 1: sqrt(|mean|^2 + sum (l^1/2 - D^-1/2)^2).

    For unit rows the metric `w2_uniformity`. The paper clones features without scaling back, so that rows get longer.

    >>> z = sphere(500, 3, 4, seed=0)
    >>> from fullrank.metrics import w2_uniformity
    >>> abs(raw_w2(z) - w2_uniformity(z)) < 1e-6
    True
    """
    found, dims = moments(z), z.shape[1]
    roots = spectrum(found).sqrt()
    return math.sqrt(float(found.mean.square().sum() + (roots - dims**-0.5).square().sum()))


def expected_w2(n: int, alive: int, dims: int) -> float:
    """W2 to expect of n rows; for n = infinity sqrt(2 - 2 sqrt(alive / dims)), above it by the law of random matrices.

    >>> round(expected_w2(10**9, 24, 32), 4), round(expected_w2(10_000, 256, 256), 2)
    (0.5176, 0.08)
    """
    share = float(isotropic_spectrum(n, alive).sqrt().sum()) / alive  # of tr S^1/2, which is at most alive^1/2
    return math.sqrt(max(0.0, 2 - 2 * share * math.sqrt(alive / dims)))


def expected_uniformity(alive: int, t: float = 2.0) -> float:
    """Wang & Isola's loss of the uniform distribution: log E exp(-t |x - y|^2) = -2 t + log 0F1(; alive / 2; t^2).

    >>> round(expected_uniformity(1), 4), round(expected_uniformity(256), 4)
    (-0.6928, -3.9688)
    """
    return -2 * t + math.log(hyp0f1(alive / 2, t**2))


def coordinate_below(y: Tensor, dims: int) -> Tensor:
    """Lemma 4, integrated: the share of points on the sphere with one coordinate below y (...,), in [-1, 1].

    Its derivative, the density, is Gamma(m / 2) / (sqrt(pi) Gamma((m - 1) / 2)) (1 - y^2)^((m - 3) / 2).

    >>> coordinate_below(torch.tensor([-1.0, 0.0, 0.5]), 3)
    tensor([0.0000, 0.5000, 0.7500])
    """
    return torch.from_numpy(betainc((dims - 1) / 2, (dims - 1) / 2, ((1 + y) / 2).numpy()))


def coordinate_kl(dims: int) -> float:
    """Kullback-Leibler divergence of a coordinate from N(0, 1 / dims), in nats; ours, the paper has a bound.

    >>> round(coordinate_kl(2), 4), round(coordinate_kl(16), 4)
    (0.6208, 0.0033)
    """
    peak = math.log(2 / dims) / 2 + float(gammaln(dims / 2) - gammaln((dims - 1) / 2))
    return peak + (dims - 3) / 2 * float(psi((dims - 1) / 2) - psi(dims / 2)) + 0.5


def coordinate_wasserstein(dims: int, order: int) -> float:
    """Wasserstein distance of order 1 or 2 of a coordinate from N(0, 1 / dims), by their quantiles; ours.

    >>> round(coordinate_wasserstein(16, 1), 4), round(coordinate_wasserstein(16, 2), 4)
    (0.0061, 0.0097)
    """
    s = torch.linspace(-9, 0, 4001, dtype=torch.float64)  # in standard deviations; the upper half is its mirror image
    weight = torch.exp(-s.square() / 2) / math.sqrt(2 * math.pi)
    share = torch.from_numpy(betaincinv((dims - 1) / 2, (dims - 1) / 2, ndtr(s.numpy())))
    gap = (2 * share - 1 - s / math.sqrt(dims)).abs() ** order
    return math.pow(float(2 * torch.trapezoid(gap * weight, s)), 1 / order)
