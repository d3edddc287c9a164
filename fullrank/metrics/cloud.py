"""Embeddings, as rows or moments, with what several metrics need of them: each computed once, when asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import (
    above_rounding,
    as_tensor,
    centered,
    eigenvalues,
    embeddings,
    unit_moments,
    without_rounding,
)
from fullrank.metrics._pairs import MOST, Distances, first_copies, sample, with_broken_ties
from fullrank.metrics._scatter import Scatter, between, scatter
from fullrank.stats import Moments
from fullrank.stats.tridiagonal import both_spectra

_NEAR = 10  # neighbors that are searched at once
_SMALL = 1e-140  # norms whose squares may have vanished
T = TypeVar("T")


class Cloud:
    """Embeddings (N, D), or moments of them, for several metrics; what the metrics share is computed once.

    Every metric takes a cloud where it takes embeddings.

    Args:
        seed: Decides every random draw of these rows; the `seed` of a metric is that of rows that are no cloud.
        labels: Classes (N,) of the rows.
        rows: The rows of the moments, where they are at hand.
        some: Rows that are among those of the moments, in the same unit.

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
        some: Tensor | None = None,
    ) -> None:
        self.moments = without_rounding(z) if isinstance(z, Moments) else None
        given = rows if isinstance(z, Moments) else z
        self._z = None if given is None else as_tensor(given)
        self._some = some
        self.seed = seed
        self.labels = labels
        self._memo: dict[object, object] = {}
        self._between: WeakKeyDictionary[Cloud, dict[object, object]] = WeakKeyDictionary()

    @cached_property
    def n(self) -> int:
        """Number of rows."""
        return len(self.rows) if self.moments is None else self.moments.n

    @cached_property
    def dims(self) -> int:
        """Number of dimensions."""
        return self.rows.shape[1] if self.moments is None else self.moments.dims

    @property
    def given(self) -> Tensor:
        """The rows as they were passed, in their own unit; moments of no rows raise a UserError."""
        if self._z is None:
            raise UserError("This number is about single rows, which moments do not hold: pass embeddings (N, D).")
        return self._z

    @cached_property
    def rows(self) -> Tensor:
        """The rows (N, D), checked, in float64, divided by their largest magnitude, whatever the moments' unit is."""
        return embeddings(self.given)

    @property
    def known_rows(self) -> Tensor | None:
        """The rows, or of moments those that are at hand, in the unit of `mean_and_variance`."""
        if self.moments is None:
            return self.rows
        return self._z if self._some is None else self._some

    @cached_property
    def scale(self) -> float:
        """The largest magnitude of all values, or 1: the unit of `rows` and of what is read off them; 1 of moments."""
        if self.moments is not None or self._z is None:
            return 1.0
        least, most = self._z.detach().aminmax()
        return max(-float(least), float(most)) or 1.0

    @cached_property
    def norms(self) -> Tensor:
        """Norms (N,) of the rows; only a zero vector has norm zero."""
        found: Tensor = torch.linalg.vector_norm(self.rows, dim=1)
        small = found < _SMALL
        if bool(small.any()):
            largest = self.rows[small].abs().amax(1)
            scaled = self.rows[small] / largest.where(largest > 0, 1.0)[:, None]
            found[small] = largest * torch.linalg.vector_norm(scaled, dim=1)
        return found

    @cached_property
    def unit(self) -> Tensor:
        """The rows scaled to length 1 (N, D); zero vectors stay zero."""
        return self.rows / self.norms.where(self.norms > 0, 1.0)[:, None]

    @cached_property
    def scatter(self) -> Scatter:
        """The rows about their mean, with the one matrix of inner products that several numbers are computed from."""
        return scatter(self.rows)

    @cached_property
    def spectrum(self) -> Tensor:
        """Eigenvalues (min(N, D),) of the covariance, largest first, divisor N; those below rounding are zero."""
        if self.moments is not None:
            return eigenvalues(self.moments)
        return self._spectrum(self.scatter.covariance) if self._wide else self._spectra[0]

    @cached_property
    def uncentered(self) -> Tensor:
        """Eigenvalues (min(N, D),) of the second moment about the origin."""
        if self.moments is not None:
            return eigenvalues(self.moments, center=False)
        return self._spectrum(self.scatter.second_moment) if self._wide else self._spectra[1]

    @cached_property
    def _spectra(self) -> tuple[Tensor, Tensor]:
        """`spectrum` and `uncentered` of more rows than dimensions: one reduction gives both."""
        centered, raw = both_spectra(self.scatter.covariance, self.scatter.mean)
        return self._largest_first(centered), self._largest_first(raw)

    @cached_property
    def unit_spectrum(self) -> Tensor:
        """Eigenvalues of the covariance of the rows at length 1; moments of other rows raise a UserError."""
        if self.moments is not None:
            whole = unit_moments(self.moments)  # nothing asks for the spectrum about the origin
            return self._spectrum(whole.scatter)[: self.n] / self.n
        apart = self._unit_squares
        return eigenvalues(self.unit) if apart is None else self._spectrum(between(apart).div_(self.n))

    def _spectrum(self, gram: Tensor) -> Tensor:
        return self._largest_first(torch.linalg.eigvalsh(gram))

    def _largest_first(self, ascending: Tensor) -> Tensor:
        return above_rounding(ascending.flip(0).clamp_min(0.0), max(self.n, self.dims))

    @cached_property
    def mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Mean (D,) and variance (D,) of each dimension."""
        if self.moments is not None:
            return _two_moments(self.moments)
        return self.scatter.mean, self.scatter.variance

    @cached_property
    def unit_mean_and_variance(self) -> tuple[Tensor, Tensor]:
        """Mean (D,) and variance (D,) of each dimension of the rows at length 1."""
        if self.moments is not None:
            return _two_moments(unit_moments(self.moments))
        return self.unit.mean(0), centered(self.unit).square().mean(0)

    @cached_property
    def quartic(self) -> float:
        """Sum of the fourth powers of the norms of the centered rows."""
        if self.moments is not None:
            return float(self.moments.quartic)
        return float(self.scatter.distances.square().sum())

    @cached_property
    def distinct_index(self) -> Tensor:
        """Numbers (M,) of the distinct rows: the first of each set of copies."""
        return first_copies(self.rows)

    @cached_property
    def distinct(self) -> Tensor:
        """The distinct rows (M, D), at most 8,192 of them."""
        index = self.distinct_index
        return self.rows if len(index) == self.n <= MOST else sample(self.rows[index], self.seed)

    @cached_property
    def apart(self) -> Distances:
        """Distances among the distinct rows."""
        if not (self._wide and Distances.kept(self.n)):
            return Distances(self.distinct)
        index, squares = self.distinct_index, self.scatter.apart
        return Distances(self.distinct, squares if len(index) == self.n else squares[index][:, index])

    @cached_property
    def unit_apart(self) -> Distances:
        """Distances among at most 8,192 of the rows at length 1."""
        squares = self._unit_squares if Distances.kept(self.n) else None
        return Distances(sample(self.unit, self.seed), squares)

    @cached_property
    def _unit_squares(self) -> Tensor | None:
        """Squared distances (N, N) of the directions, where they are cheaper than `unit_apart`."""
        return self.scatter.unit_apart(self.norms) if self._wide else None

    @property
    def _wide(self) -> bool:
        return self.n <= self.dims

    @cached_property
    def drawn(self) -> Tensor:
        """At most 8,192 rows at length 1, with noise of 1e-8 so that equal distances are told apart by chance."""
        return with_broken_ties(sample(self.unit, self.seed), self.seed)

    @cached_property
    def drawn_apart(self) -> Distances:
        """Distances among the rows of `drawn`."""
        return Distances(self.drawn, ties=self.seed)

    def near(self, k: int) -> Tensor:
        """Distances (M, <= k) from each distinct row to the nearest others, nearest first."""
        if k > _NEAR:
            return self.apart.nearest(min(k, len(self.apart) - 1))[0]
        return self.once(_near)[:, :k]

    def nearest(self, k: int) -> tuple[Tensor, Tensor]:
        """Distances and numbers (M, <= k) of the nearest rows by cosine, of at most 8,192 rows; ties are broken at
        random.
        """
        if k < 1:
            raise UserError(f"k is {k}: pass 1 or more neighbors.")
        if k > _NEAR:
            return self.drawn_apart.nearest(min(k, len(self.drawn) - 1))
        near, index = self.once(_nearest)
        return near[:, :k], index[:, :k]

    def once(self, function: Callable[[Cloud], T]) -> T:
        """function(this cloud), computed when first asked for."""
        if function not in self._memo:
            self._memo[function] = function(self)
        found: T = self._memo[function]  # type: ignore[assignment]
        return found

    def between(self, other: Cloud, function: Callable[[Cloud, Cloud], T]) -> T:
        """function(this cloud, another), computed when first asked for."""
        memo = self._between.setdefault(other, {})
        if function not in memo:
            memo[function] = function(self, other)
        found: T = memo[function]  # type: ignore[assignment]
        return found


Rows = Tensor | Cloud
Data = Tensor | Moments | Cloud


def as_cloud(z: Data, seed: int = 0) -> Cloud:
    """A cloud as it is, and anything else as a new cloud."""
    return z if isinstance(z, Cloud) else Cloud(z, seed=seed)


def as_given(z: Rows) -> Tensor:
    """The rows that a cloud was made of, and anything else as it is."""
    return z.given if isinstance(z, Cloud) else z


def _near(cloud: Cloud) -> Tensor:
    return cloud.apart.nearest(min(_NEAR, len(cloud.apart) - 1))[0]


def _nearest(cloud: Cloud) -> tuple[Tensor, Tensor]:
    return cloud.drawn_apart.nearest(min(_NEAR, len(cloud.drawn) - 1))


def _two_moments(x: Moments) -> tuple[Tensor, Tensor]:
    return x.center, x.variance.clamp_min(0.0)
