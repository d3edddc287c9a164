"""The sliced losses as their formulas read, slice by slice and frequency by frequency."""

from __future__ import annotations

import math
from itertools import pairwise
from statistics import NormalDist

import torch
from torch import Tensor

from fullrank.stats import random_slices


def integral(values: list[Tensor]) -> Tensor:
    """Of an even function over [-3, 3], by trapezoids through its 17 values on [0, 3]."""
    step = 3 / 16
    return 2 * step * torch.stack([(a + b) / 2 for a, b in pairwise(values)]).sum()


def epps_pulley(x: Tensor) -> Tensor:
    """N times the distance of the numbers x (N,) from the standard normal."""
    values = []
    for t in torch.linspace(0, 3, 17, dtype=x.dtype):
        normal = math.exp(-(float(t) ** 2) / 2)
        values.append((torch.exp(1j * t * x).mean() - normal).abs().square() * normal)
    return len(x) * integral(values)


def naive_sigreg(z: Tensor, *, slices: int = 1024) -> Tensor:
    center = z.mean(0)
    invariance = torch.stack([(view - center).square().mean() for view in z]).mean()
    directions = random_slices(z.shape[2], slices, seed=0, like=z).T
    return 0.95 * invariance + 0.05 * torch.stack([epps_pulley(view @ a) for view in z for a in directions]).mean()


def naive_visreg(z: Tensor, *, slices: int = 4096) -> Tensor:
    center, n = z.mean(0), z.shape[1]
    invariance = torch.stack([(view - center).square().mean() for view in z]).mean()
    quantiles = torch.tensor([NormalDist().inv_cdf(i / (n + 1)) for i in range(1, n + 1)], dtype=z.dtype)
    directions = random_slices(z.shape[2], slices, seed=0, like=z).T
    rest = []
    for view in z:
        std = view.std(0, correction=0)
        shape = (view - view.mean(0)) / (std.detach() + 1e-6)
        sliced = torch.stack([((shape @ a).sort().values - quantiles).square().mean() for a in directions]).mean()
        rest.append(view.mean(0).square().mean() + (1 - std).square().mean() + sliced)
    return 0.1 * invariance + 0.9 * torch.stack(rest).mean()
