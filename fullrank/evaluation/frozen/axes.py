"""Features on the principal axes of a training set, by parts, so that no second copy of all of them is held."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

KEPT = 2**31  # bytes of rows on their axes that are kept; more are made from the features at each pass
_ENTRIES = 2**24  # of a part: 64 MiB in float32


@dataclass(frozen=True, eq=False)
class Axes:
    """The R principal axes of standardized features: columns (F, R) and variances (R,), float64.

    Nothing linear is lost: a constant feature, and a direction without variance, has nothing to fit. Logistic
    regression needs half the steps there, and ridge regression becomes a division.
    """

    mean: Tensor  # (F,)
    scale: Tensor  # (F,), 0 for a constant feature
    columns: Tensor
    variance: Tensor

    def of(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features (N, F) as rows (N, R) on the axes."""
        return self.standardized(x, dtype) @ self.columns.to(dtype)

    def standardized(self, x: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """Features (N, F) by the mean and the deviation of the training set."""
        return ((x.double() - self.mean) * self.scale).to(dtype)


def principal(train: Tensor) -> Axes:
    """The principal axes of features (N, F).

    >>> principal(torch.tensor([[0.0, 1.0], [2.0, 1.0]])).variance
    tensor([1.], dtype=torch.float64)
    """
    n, width = train.shape
    some = parts(train)
    mean = torch.stack([x.double().sum(0) for x in some]).sum(0) / n
    spread = torch.stack([(x.double() - mean).square().sum(0) for x in some]).sum(0) / n
    constant = (train.amax(0) == train.amin(0)) | (spread == 0)
    plain = Axes(mean, torch.where(constant, 0.0, spread.rsqrt()), spread.new_zeros(width, 0), spread)
    if n < width:
        z = plain.standardized(train, torch.float64)
        variance, columns = _spectrum(z @ z.T / n)
        return Axes(plain.mean, plain.scale, z.T @ columns / (n * variance).sqrt(), variance)
    gram = spread.new_zeros(width, width)
    for x in some:
        z = plain.standardized(x, torch.float64)
        gram.addmm_(z.T, z)
    variance, columns = _spectrum(gram / n)
    return Axes(plain.mean, plain.scale, columns, variance)


def _spectrum(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors, without those that are zero but for rounding."""
    variance, columns = torch.linalg.eigh(gram)
    real = variance > 1e-10 * variance[-1]
    return variance[real], columns[:, real]


@dataclass(frozen=True, eq=False)
class Samples:
    """Features x (M, F) that a linear model with a bias sees as rows on axes, by parts of 64 MiB.

    Rows (N, R + 1), of which the last entry is 1, are kept where they take at most `KEPT` bytes. Others are
    standardized again at each pass, (N, F + 1), and the model is turned to them.
    """

    x: Tensor
    axes: Axes
    order: Tensor  # (N,), which of the features
    target: Tensor  # (N,), from 0
    classes: int
    kept: Tensor | None = None

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, some: slice) -> Samples:
        kept = None if self.kept is None else self.kept[some]
        return replace(self, order=self.order[some], target=self.target[some], kept=kept)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows and their targets, part by part."""
        for part in self._parts():
            yield self._standardized(part) if self.kept is None else self.kept[part], self.target[part]

    def keep(self) -> Samples:
        """The same, with its rows on the axes in memory where they fit."""
        width = len(self.axes.variance) + 1
        if 4 * len(self) * width > KEPT:
            return self
        kept = self.x.new_empty(len(self), width, dtype=torch.float32)
        for part in self._parts():
            kept[part] = with_one(self.axes.of(self.x[self.order[part]]))
        return replace(self, kept=kept)

    def weights(self, fit: Tensor) -> Tensor:
        """What the rows are multiplied with, (C, R + 1) or (C, F + 1), of a model (C, R + 1) on the axes."""
        if self.kept is not None:
            return fit
        return torch.cat([fit[:, :-1] @ self.axes.columns.T.to(fit.dtype), fit[:, -1:]], 1)

    def _parts(self) -> Iterator[slice]:
        rows = _rows(max(self.x.shape[1], self.classes))
        return (slice(first, first + rows) for first in range(0, len(self), rows))

    def _standardized(self, part: slice) -> Tensor:
        return with_one(self.axes.standardized(self.x[self.order[part]]))


def parts(x: Tensor) -> tuple[Tensor, ...]:
    """Features (N, F), 64 MiB of float32 at a time."""
    some: tuple[Tensor, ...] = x.split(_rows(x.shape[1]))
    return some


def with_one(rows: Tensor) -> Tensor:
    """A column of ones (N, R + 1), whose weight is the bias."""
    return functional.pad(rows, (0, 1), value=1.0)


def _rows(width: int) -> int:
    """How many rows are a part."""
    return max(1, _ENTRIES // width)
