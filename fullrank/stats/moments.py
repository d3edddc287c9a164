"""Count, mean and scatter: one mergeable rule for batches, processes, files and runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import torch
from scipy.linalg.blas import dsymv, dsyrk
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

    @cached_property
    def eigenvalues(self) -> Tensor:
        """Eigenvalues (D,) of the covariance, smallest first, which many numbers are read off."""
        values: Tensor = torch.linalg.eigvalsh(self.covariance)
        return values

    @property
    def second_moment(self) -> Tensor:
        """Uncentered second moment (D, D), the mean of z z^T."""
        return self.covariance + torch.outer(self.mean, self.mean)

    def add(self, z: Tensor) -> Moments:
        """These moments and those of more rows z (M, D), as one."""
        return merge(self, moments(z))


class RunningMoments:
    """Moments that grow in place, for a long pass: a batch costs its own product and next to nothing else of D x D.

    >>> running = RunningMoments(2)
    >>> for batch in torch.tensor([[0.0, 0.0], [2.0, 4.0]]).split(1):
    ...     running.add(batch)
    >>> running.result().covariance
    tensor([[1., 2.],
            [2., 4.]], dtype=torch.float64)
    """

    def __init__(self, dims: int, device: torch.device | None = None) -> None:
        self._n = 0
        self._mean = torch.zeros(dims, dtype=torch.float64, device=device)
        self._scatter = torch.zeros(dims, dims, dtype=torch.float64, device=device)  # on a CPU its lower triangle
        self._cubic = torch.zeros_like(self._mean)
        self._quartic = self._mean.sum()

    def add(self, z: Tensor) -> None:
        """Take in the rows of z (N, D), of any dtype; N may be 0."""
        rows = z.detach().double()
        if len(rows) == 0:
            return
        n = self._n + len(rows)
        mean = self._mean + (rows.mean(0) - self._mean) * (len(rows) / n)
        y = rows.new_empty(len(rows) + 1, rows.shape[1])  # the new rows about the mean of all, and one for the old ones
        torch.sub(rows, mean, out=y[:-1])
        torch.mul(self._mean - mean, self._n**0.5, out=y[-1])
        if self._n:
            self._turn(self._mean - mean)
        squares = torch.linalg.vecdot(y[:-1], y[:-1])
        self._cubic += squares @ y[:-1]
        self._quartic += squares @ squares
        if y.device.type == "cpu":  # half of the operations of the whole product
            dsyrk(1.0, y.numpy().T, beta=1.0, c=self._scatter.numpy().T, overwrite_c=1)
        else:
            self._scatter.addmm_(y.T, y)
        self._n, self._mean = n, mean

    def result(self) -> Moments:
        """Moments of all rows so far."""
        whole = self._scatter.clone()
        if whole.device.type == "cpu":
            whole += torch.tril(whole, -1).T
        return Moments(self._n, self._mean, whole, self._cubic.clone(), self._quartic.clone())

    def _turn(self, shift: Tensor) -> None:
        """Cubic and quartic about a mean that is `shift` (D,) away."""
        if shift.device.type == "cpu":
            turned = torch.from_numpy(dsymv(1.0, self._scatter.numpy().T, shift.numpy()))
        else:
            turned = self._scatter @ shift
        trace = self._scatter.trace()
        self._cubic, self._quartic = _higher(self._n, turned, trace, self._cubic, self._quartic, shift)


def moments(z: Tensor) -> Moments:
    """Moments of the rows of z (N, D), of any dtype; N may be 0. Memory D x D.

    >>> moments(torch.tensor([[0.0, 0.0], [2.0, 4.0]])).covariance
    tensor([[1., 2.],
            [2., 4.]], dtype=torch.float64)
    """
    running = RunningMoments(z.shape[1], z.device)
    running.add(z)
    return running.result()


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two sets of rows (Chan, Golub & LeVeque, 1979); exact in any order."""
    n = a.n + b.n
    if n == 0:
        return a
    mean = a.mean + (b.mean - a.mean) * (b.n / n)
    (scatter, cubic, quartic), others = _about(a, mean), _about(b, mean)
    return Moments(n, mean, scatter + others[0], cubic + others[1], quartic + others[2])


def _about(a: Moments, mean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scatter, cubic and quartic of the rows of `a` about another mean."""
    shift = a.mean - mean
    cubic, quartic = _higher(a.n, a.scatter @ shift, a.scatter.trace(), a.cubic, a.quartic, shift)
    return a.scatter + a.n * torch.outer(shift, shift), cubic, quartic


def _higher(
    n: int, turned: Tensor, trace: Tensor, cubic: Tensor, quartic: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    """Cubic and quartic of n rows y + shift, from those of the y, which sum to zero; turned = scatter @ shift."""
    square = shift @ shift
    new_cubic = cubic + trace * shift + 2 * turned + n * square * shift
    return new_cubic, quartic + 4 * (shift @ (turned + cubic)) + 2 * square * trace + n * square**2
