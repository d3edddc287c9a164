"""Eigenvalues of the covariance, and the one family of ranks that is computed from them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.stats.gram import products
from fullrank.stats.moments import Moments


def spectrum(z: Tensor | Moments, *, centered: bool = True) -> Tensor:
    """Eigenvalues of the covariance (divisor n), largest first, in float64, never negative, and without a gradient.

    The smaller of the N x N and the D x D side is decomposed.

    Args:
        z: Rows (N, D), or their moments.
        centered: False takes the uncentered second moment instead.

    Returns:
        min(N, D) values for rows, D for moments.

    >>> spectrum(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]]))
    tensor([2.0000, 0.5000], dtype=torch.float64)
    """
    if isinstance(z, Moments):
        eigenvalues = z.spectra[0 if centered else 1]
        eigenvalues = torch.nn.functional.pad(eigenvalues, (z.dims - len(eigenvalues), 0))
    else:
        rows = z.detach().double()
        rows = rows - rows.mean(0) if centered else rows
        gram = products(rows if len(rows) < rows.shape[1] else rows.T)
        eigenvalues = torch.linalg.eigvalsh(gram / max(len(rows), 1))
    return eigenvalues.flip(0).clamp_min(0.0)


def hill(eigenvalues: Tensor, order: float) -> Tensor:
    """Hill number D_q of a spectrum: how many equal eigenvalues would be as diverse.

    D_q = (sum p^q)^(1 / (1 - q)) with p = eigenvalues / sum. q = 0 is the rank, 1/2 gives W2 uniformity, 1 the entropic
    effective rank, 2 the participation ratio, and inf the sum over the largest. It is blind to scale and to the mean,
    so to complete collapse: show a spread beside it.

    Args:
        eigenvalues: A spectrum (K,), not negative.
        order: q, at least 0.

    Returns:
        A number in [1, K]; a zero spectrum, one point, gives 1.

    >>> [round(float(hill(torch.tensor([2.0, 1.0, 1.0]), q)), 3) for q in (0, 0.5, 1, 2, math.inf)]
    [3.0, 2.914, 2.828, 2.667, 2.0]
    """
    values = eigenvalues.double().clamp_min(0.0)
    total = values.sum()
    if total == 0:
        return values.new_ones(())
    p = values / total
    if order == 0:  # numerical rank: what is above the rounding of the largest
        return (p > p.max() * len(p) * torch.finfo(p.dtype).eps).sum().double()
    if math.isinf(order):
        return 1.0 / p.max()
    if abs(order - 1.0) < 1e-6:  # the limit; its error here is below 1e-6 times the variance of log p
        return torch.exp(-torch.xlogy(p, p).sum())
    return torch.exp(torch.log((p**order).sum()) / (1.0 - order))


def decay(rank: float, order: float, dims: float) -> float:
    """The exponent a, from 0 (isotropic) to 8, for which eigenvalues 1, 2^-a, ..., dims^-a have this Hill number.

    It is a rank without its width.

    >>> round(decay(22.7, 2, 256), 2)
    1.0
    """
    index = torch.arange(1, max(int(dims), 1) + 1, dtype=torch.float64)
    low, high = 0.0, 8.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if float(hill(index**-middle, order)) > rank else (low, middle)
    return low
