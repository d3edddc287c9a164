"""What one matrix of inner products of rows about their mean, on the smaller side, tells about them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.metrics._embeddings import centered
from fullrank.metrics._pairs import squared_distances
from fullrank.stats import products

_ALIKE = 100.0  # the longest row over the shortest, up to which distances of directions keep 12 digits


@dataclass(frozen=True)
class Scatter:
    """Mean (D,), variance (D,) and squared distances from the mean (N,) of rows x (N, D); c is x less its mean.

    gram: c c^T (N, N) where N <= D (`wide`), else c^T c (D, D). toward: c @ mean (N,).
    """

    wide: bool
    mean: Tensor
    variance: Tensor
    distances: Tensor
    toward: Tensor
    gram: Tensor

    @property
    def covariance(self) -> Tensor:
        """The Gram matrix over N, whose nonzero eigenvalues are those of the covariance."""
        return self.gram / len(self.distances)

    @property
    def second_moment(self) -> Tensor:
        """The same about the origin."""
        if not self.wide:
            return torch.addr(self.covariance, self.mean, self.mean)
        found = (self.gram + self.toward[:, None]).add_(self.toward).add_(self.mean @ self.mean)
        return found.div_(len(self.distances))

    @property
    def apart(self) -> Tensor:
        """Squared distances (N, N) of the rows, where `wide`."""
        return squared_distances(self.gram)

    def unit_apart(self, norms: Tensor) -> Tensor | None:
        """Squared distances of the directions, where `wide`, from the norms (N,) of the rows; None where they lose
        digits.
        """
        shortest, longest = float(norms.min()), float(norms.max())
        if longest > _ALIKE * shortest or shortest == 0:
            return None
        # |u - v|^2 = (|x - y|^2 - (|x| - |y|)^2) / (|x| |y|), and |x| - |y| without the mean that both share
        excess = self.distances + 2 * self.toward
        longer = (excess[:, None] - excess).div_(norms[:, None] + norms).square_()
        return self.apart.sub_(longer).div_(norms[:, None] * norms).clamp_min_(0.0)


def between(apart: Tensor) -> Tensor:
    """Inner products (N, N), about their mean, of rows with these squared distances (N, N).

    >>> between(torch.tensor([[0.0, 4.0], [4.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    rows = apart.mean(1)
    return (rows[:, None] + rows - rows.mean()).sub_(apart).div_(2)


def scatter(x: Tensor) -> Scatter:
    """The `Scatter` of the rows x (N, D), in float64.

    >>> scatter(torch.tensor([[1.0, 0.0, 1.0], [-1.0, 0.0, 1.0]]).double()).gram
    tensor([[ 1., -1.],
            [-1.,  1.]], dtype=torch.float64)
    """
    wide = x.shape[0] <= x.shape[1]
    mean, c = x.mean(0), centered(x)
    gram = products(c if wide else c.T)  # whose diagonal has the sums of squares of one side
    if wide:
        return Scatter(wide, mean, c.square().mean(0), gram.diagonal(), c @ mean, gram)
    return Scatter(wide, mean, gram.diagonal() / len(x), torch.einsum("nd,nd->n", c, c), c @ mean, gram)
