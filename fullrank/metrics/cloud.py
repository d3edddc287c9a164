"""Embeddings, as rows or as their moments, with what many numbers need of them: each computed once, when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import (
    centered,
    eigenvalues,
    embeddings,
    unit_moments,
    without_rounding,
)
from fullrank.metrics._pairs import by_lot, distinct, neighbors, sample
from fullrank.stats import Moments, normalize

_NEAR = 10  # neighbors that are searched at once
T = TypeVar("T")


class Cloud:
    """Embeddings (N, D), or moments of them, that several metrics are asked about; what they share is computed once.

    Every metric takes a cloud where it takes embeddings. seed: of what is drawn of it;
    labels: the classes (N,) of the rows. rows: those of the moments, where they are at hand.

    >>> import torch
    >>> from fullrank.metrics import effective_rank, nesum
    >>> z = Cloud(torch.eye(4))
    >>> round(effective_rank(z), 6), round(nesum(z), 6)  # one decomposition
    (3.0, 3.0)
    """

    def __init__(
        self,
        z: Tensor | Moments,
        *,
        seed: int = 0,
        labels: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> None:
        self.moments = without_rounding(z) if isinstance(z, Moments) else None
        self._z = rows if isinstance(z, Moments) else z
        self.seed = seed
        self.labels = labels
        self._memo: dict[object, object] = {}

    @cached_property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows) if self.moments is None else self.moments.n

    @cached_property
    def dims(self) -> int:
        """Number of dimensions."""
        return self.rows.shape[1] if self.moments is None else self.moments.dims

    @cached_property
    def rows(self) -> Tensor:
        """The rows (N, D), checked, in float64, divided by `scale`; UserError of moments, which have none."""
        if self._z is None:
            raise UserError("This number is about single rows, which moments do not hold: pass embeddings (N, D).")
        return embeddings(self._z)

    @cached_property
    def scale(self) -> float:
        """The largest magnitude of all values, or 1: the unit of `rows` and of everything that is read off them."""
        largest = 1.0 if self.moments is not None or self._z is None else float(self._z.detach().abs().amax())
        return largest if largest > 0 else 1.0

    @cached_property
    def unit(self) -> Tensor:
        """The rows scaled to length 1 (N, D); rows of zeros stay zero."""
        return normalize(self.rows)

    @cached_property
    def spectrum(self) -> Tensor:
        """Eigenvalues (min(N, D),) of the covariance, largest first, divisor N; what is rounding is zero."""
        return eigenvalues(self.rows if self.moments is None else self.moments)

    @cached_property
    def uncentered(self) -> Tensor:
        """Eigenvalues (min(N, D),) of the second moment about the origin."""
        return eigenvalues(self.rows if self.moments is None else self.moments, center=False)

    @cached_property
    def unit_spectrum(self) -> Tensor:
        """Eigenvalues of the covariance of the rows at length 1; UserError of the moments of others."""
        return eigenvalues(self.unit if self.moments is None else unit_moments(self.moments))

    @cached_property
    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Mean (D,) and variance (D,) of each dimension."""
        return _two_moments(self.rows if self.moments is None else self.moments)

    @cached_property
    def unit_mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """The same of the rows at length 1."""
        return _two_moments(self.unit if self.moments is None else unit_moments(self.moments))

    @cached_property
    def quartic(self) -> float:
        """Sum of the fourth powers of the norms of the centered rows."""
        if self.moments is not None:
            return float(self.moments.quartic)
        return float(centered(self.rows).square().sum(1).square().sum())

    @cached_property
    def distinct(self) -> Tensor:
        """The rows (M, D) without copies, at most 8,192 of them."""
        return sample(distinct(self.rows), self.seed)

    def near(self, k: int) -> Tensor:
        """Distances (M, <= k) from each distinct row to the nearest others, nearest first."""
        if k > _NEAR:
            return neighbors(self.distinct, min(k, len(self.distinct) - 1))[0]
        return self.once(_near)[:, :k]

    def nearest(self, k: int) -> tuple[Tensor, Tensor]:
        """Distances and numbers (M, <= k) of the nearest by cosine of at most 8,192 rows; ties are drawn by lot."""
        if k > _NEAR:
            return neighbors(self.drawn, min(k, len(self.drawn) - 1))
        near, index = self.once(_nearest)
        return near[:, :k], index[:, :k]

    @cached_property
    def drawn(self) -> Tensor:
        """At most 8,192 rows at length 1, with noise of 1e-8 so that equal distances are told apart by chance."""
        return by_lot(sample(self.unit, self.seed), self.seed)

    def once(self, function: Callable[[Cloud], T]) -> T:
        """function(this cloud), computed when first asked for."""
        if function not in self._memo:
            self._memo[function] = function(self)
        found: T = self._memo[function]  # type: ignore[assignment]
        return found

    def between(self, other: Cloud, function: Callable[[Cloud, Cloud], T]) -> T:
        """function(this cloud, another), computed when first asked for."""
        key = (function, id(other))
        if key not in self._memo:
            self._memo[key] = function(self, other)
        found: T = self._memo[key]  # type: ignore[assignment]
        return found


Rows = Tensor | Cloud
Data = Tensor | Moments | Cloud


def as_cloud(z: Data, seed: int = 0) -> Cloud:
    """A cloud as it is, anything else as one."""
    return z if isinstance(z, Cloud) else Cloud(z, seed=seed)


def _near(cloud: Cloud) -> Tensor:
    return neighbors(cloud.distinct, min(_NEAR, len(cloud.distinct) - 1))[0]


def _nearest(cloud: Cloud) -> tuple[Tensor, Tensor]:
    return neighbors(cloud.drawn, min(_NEAR, len(cloud.drawn) - 1))


def _two_moments(x: Tensor | Moments) -> tuple[Tensor, Tensor]:
    if isinstance(x, Moments):
        return x.center, x.variance.clamp_min(0.0)
    return x.mean(0), centered(x).square().mean(0)
