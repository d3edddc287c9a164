"""Embeddings seen along random directions, as numbers on a line, and how far those are from a standard normal."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.stats.sphere import normalize

_KNOTS, _REACH = 17, 3.0  # frequencies from 0 to 3, of LeJEPA's minimal code


def random_slices(features: int, count: int, seed: int, like: Tensor) -> Tensor:
    """Unit columns (features, count), uniform on the sphere; the same on every device and in every number format.

    >>> random_slices(3, 2, seed=0, like=torch.zeros(1)).norm(dim=0)
    tensor([1.0000, 1.0000])
    """
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(features, count, generator=generator, dtype=torch.float64), dim=0).to(like)


def epps_pulley(x: Tensor) -> Tensor:
    """N times the Epps-Pulley distance of each slice x (..., N, slices) from a standard normal: (..., slices).

    Integral |phi(t) - e^(-t^2/2)|^2 e^(-t^2/2) dt of the characteristic function phi, by the trapezoid of 17 knots on
    [0, 3], doubled, of LeJEPA's minimal code. A standard normal has 1.05 for any N, zeros have 0.402 N. Memory for
    17 times x.

    >>> epps_pulley(torch.zeros(1000, 1))
    tensor([402.0476])
    """
    t = torch.linspace(0, _REACH, _KNOTS, dtype=x.dtype, device=x.device)
    normal = torch.exp(-t.square() / 2)
    weight = 2 * normal * _REACH / (_KNOTS - 1)
    weight[[0, -1]] /= 2
    angles = x[..., None] * t  # (..., N, slices, knots)
    error = (angles.cos().mean(-3) - normal).square() + angles.sin().mean(-3).square()
    return x.shape[-2] * (error @ weight)
