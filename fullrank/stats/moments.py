"""Count, mean and scatter: one mergeable rule for batches, processes, files and runs."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor


@dataclass(frozen=True)
class Moments:
    """Count n, mean (D,) and scatter (D, D) = sum of y y^T, y = z - mean, of embeddings, all in float64.

    Every spectral number about embeddings is a function of these, and they merge exactly, so a hundred million
    rows need D x D memory. (A running float32 sum is wrong as soon as the mean is large.) The cubic (D,) = sum of
    |y|^2 y and the quartic () = sum of |y|^4 are what the unbiased participation ratio needs beside them.

    >>> first, second = moments(torch.tensor([[0.0], [2.0]])), moments(torch.tensor([[4.0]]))
    >>> merge(first, second)
    Moments(n=3, mean=tensor([2.], dtype=torch.float64), scatter=tensor([[8.]], dtype=torch.float64))
    """

    n: int
    mean: Tensor
    scatter: Tensor
    cubic: Tensor = field(repr=False)
    quartic: Tensor = field(repr=False)

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
        return Moments(0, zero, torch.outer(zero, zero), zero, zero.sum())
    mean = rows.mean(0)
    y = rows - mean
    squares = torch.linalg.vecdot(y, y)
    return Moments(len(rows), mean, _gram(y), squares @ y, squares @ squares)


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two sets of rows (Chan, Golub & LeVeque, 1979); exact in any order."""
    n = a.n + b.n
    if n == 0:
        return a
    mean = a.mean + (b.mean - a.mean) * (b.n / n)
    (scatter, cubic, quartic), others = _about(a, mean), _about(b, mean)
    return Moments(n, mean, scatter + others[0], cubic + others[1], quartic + others[2])


def _gram(y: Tensor) -> Tensor:
    """y^T y (D, D); on a CPU by one triangle, half of the operations of the whole product."""
    if y.device.type != "cpu":
        return y.T @ y
    lower = torch.from_numpy(dsyrk(1.0, y.numpy().T).T)
    return lower + torch.tril(lower, -1).T


def _about(a: Moments, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scatter, cubic and quartic of the rows of `a` about another mean (the y of `a` sum to zero)."""
    shift = a.mean - mean
    square = shift @ shift
    turned, trace = a.scatter @ shift, a.scatter.trace()
    scatter = a.scatter + a.n * torch.outer(shift, shift)
    cubic = a.cubic + trace * shift + 2 * turned + a.n * square * shift
    quartic = a.quartic + 4 * (shift @ (turned + a.cubic)) + 2 * square * trace + a.n * square**2
    return scatter, cubic, quartic
