"""The values of metrics for perfect data of the same size: an isotropic Gaussian of N rows in D dimensions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.stats import hill

_GRID = 4001  # points of the integral; the spectrum is right to about 1e-4 of its mean


def isotropic_spectrum(n: int, dims: int) -> Tensor:
    """Expected covariance eigenvalues (min(n, dims),) of n isotropic Gaussian rows, largest first.

    They are quantiles of the Marchenko-Pastur law with ratio dims / n, divisor n and population variance 1, with the
    mean taken off. One row is a point.

    Args:
        n: Number of rows.
        dims: Number of dimensions.

    >>> isotropic_spectrum(2000, 3)
    tensor([1.0425, 0.9990, 0.9568], dtype=torch.float64)
    """
    freedom = max(n - 1, 0)  # the mean takes one
    count = min(freedom, dims)
    spectrum = torch.zeros(min(n, dims), dtype=torch.float64)
    if count == 0:
        return spectrum
    ratio = count / max(freedom, dims)  # of the smaller to the larger side, at most 1
    half = torch.linspace(0, math.pi / 2, _GRID, dtype=torch.float64)  # from the upper edge to the lower
    values = (1 - math.sqrt(ratio)) ** 2 + 4 * math.sqrt(ratio) * half.cos().square()
    density = (2 * half.sin() * half.cos()).square() / values  # of the angle, finite at ratio 1 too
    below = torch.cat([density.new_zeros(1), torch.cumulative_trapezoid(density)])
    wanted = (torch.arange(count, dtype=torch.float64) + 0.5) / count * below[-1]
    place = torch.searchsorted(below, wanted).clamp(1, _GRID - 1)
    share = (wanted - below[place - 1]) / (below[place] - below[place - 1])
    spectrum[:count] = values[place - 1] + share * (values[place] - values[place - 1])
    return spectrum * (max(freedom, dims) / n)


def isotropic_hill(n: int, dims: int, order: float, *, root: bool = False) -> float:
    """The Hill number of `isotropic_spectrum`, or of its square roots, the singular values.

    Args:
        n: Number of rows.
        dims: Number of dimensions.
        order: Order of the Hill number.
        root: Whether to take square roots first.

    >>> round(isotropic_hill(4096, 256, 1))  # 3 % below 256 for want of rows
    248
    """
    spectrum = isotropic_spectrum(n, dims)
    return float(hill(spectrum.sqrt() if root else spectrum, order))
