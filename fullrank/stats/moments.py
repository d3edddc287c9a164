"""Count, mean and scatter: one mergeable rule for batches, processes, files and runs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Count n, mean (D,) and scatter (D, D) = sum of (z - mean)(z - mean)^T of embeddings, all in float64.

    Every spectral number about embeddings is a function of these, and they merge exactly, so a hundred million
    rows need D x D memory. (A running float32 sum is wrong as soon as the mean is large.)

    >>> first, second = moments(torch.tensor([[0.0], [2.0]])), moments(torch.tensor([[4.0]]))
    >>> merge(first, second)
    Moments(n=3, mean=tensor([2.], dtype=torch.float64), scatter=tensor([[8.]], dtype=torch.float64))
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @property
    def covariance(self) -> Tensor:
        """Covariance (D, D) with divisor n; zeros when there is no row."""
        return self.scatter / max(self.n, 1)

    @property
    def second_moment(self) -> Tensor:
        """Uncentred second moment (D, D), the mean of z z^T."""
        return self.covariance + torch.outer(self.mean, self.mean)

    def add(self, z: Tensor) -> Moments:
        """These moments and those of more rows z (M, D), as one."""
        return merge(self, moments(z))


def moments(z: Tensor) -> Moments:
    """Moments of the rows of z (N, D), of any dtype; N may be 0. Memory D x D.

    >>> moments(torch.tensor([[0.0, 0.0], [2.0, 4.0]])).covariance
    tensor([[1., 2.],
            [2., 4.]], dtype=torch.float64)
    """
    rows = z.detach().double()
    if len(rows) == 0:
        zero = rows.new_zeros(rows.shape[1])
        return Moments(0, zero, torch.outer(zero, zero))
    mean = rows.mean(0)
    centred = rows - mean
    return Moments(len(rows), mean, centred.T @ centred)


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two sets of rows (Chan, Golub & LeVeque, 1979); exact in any order."""
    n = a.n + b.n
    if n == 0:
        return a
    shift = b.mean - a.mean
    mean = a.mean + shift * (b.n / n)
    return Moments(n, mean, a.scatter + b.scatter + torch.outer(shift, shift) * (a.n * b.n / n))
