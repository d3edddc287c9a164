"""Count, mean and scatter of rows, with one rule that merges batches, processes, files and runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from scipy.linalg.blas import dsymv, dsyrk
from torch import Tensor

from fullrank.stats.gram import mirror
from fullrank.stats.tridiagonal import both_spectra, largest

ROUNDING = 1e-14  # a spread below this share of the mean is float64 arithmetic, not data


@dataclass(frozen=True)
class Axes:
    """Mean (D,) of each dimension and sum of squares (D,) about it, for moments that are in another basis."""

    mean: Tensor
    squares: Tensor


@dataclass(frozen=True)
class Moments:
    """Count n, mean (D,) and scatter (D, D) = sum of y y^T, y = z - mean, of embeddings, all in float64.

    Every spectral number about embeddings is a function of these, and they merge exactly, so a hundred million rows
    need D x D memory. (A running float32 sum is wrong as soon as the mean is large.) The cubic (D,) = sum of |y|^2 y
    and the quartic () = sum of |y|^4 are what the unbiased participation ratio needs in addition.

    Fewer rows than dimensions span a space of few dimensions: `row_groups` gives mean, scatter and cubic in a basis of
    K = N + 1 axes of that space, and what depends on single dimensions in `axes`. Read `dims`, `variance` and `center`,
    not shapes.

    >>> first, second = moments(torch.tensor([[0.0], [2.0]])), moments(torch.tensor([[4.0]]))
    >>> merge(first, second)
    Moments(n=3, mean=tensor([2.], dtype=torch.float64), scatter=tensor([[8.]], dtype=torch.float64))
    """

    n: int
    mean: Tensor
    scatter: Tensor
    cubic: Tensor = field(repr=False)
    quartic: Tensor = field(repr=False)
    axes: Axes | None = field(default=None, repr=False)

    @property
    def dims(self) -> int:
        """Number of dimensions of the rows."""
        return len(self.center)

    @property
    def center(self) -> Tensor:
        """Mean (D,) of each dimension."""
        return self.mean if self.axes is None else self.axes.mean

    @property
    def variance(self) -> Tensor:
        """Variance (D,) of each dimension, divisor n."""
        squares = self.scatter.diagonal() if self.axes is None else self.axes.squares
        return squares / max(self.n, 1)

    @property
    def covariance(self) -> Tensor:
        """Covariance (D, D) with divisor n; zeros when there is no row."""
        return self.scatter / max(self.n, 1)

    @cached_property
    def spectra(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues of the covariance and of the second moment, smallest first, which many numbers need."""
        count = max(self.n, 1)
        centered, raw = both_spectra(self.scatter, self.n**0.5 * self.mean)
        return centered / count, raw / count

    @cached_property
    def largest(self) -> tuple[float, float]:
        """The largest eigenvalue of the covariance and of the second moment, alone where that is cheaper."""
        if "spectra" in self.__dict__:
            return float(self.spectra[0][-1]), float(self.spectra[1][-1])
        centered, raw = largest(self.scatter, self.n**0.5 * self.mean)
        return centered / max(self.n, 1), raw / max(self.n, 1)

    @property
    def settled(self) -> Moments:
        """The same moments with zero scatter where a dimension is constant up to rounding."""
        return self if bool(self._moves.all()) else self._settled  # kept of itself, it would not be freed by itself

    @property
    def _moves(self) -> Tensor:
        spread = self.scatter.diagonal() / max(self.n, 1)
        return (spread.sqrt() > ROUNDING * self.mean.abs()) | (spread == 0)  # zero is settled already

    @cached_property
    def _settled(self) -> Moments:
        moves = self._moves
        return replace(self, scatter=torch.where(moves[:, None] & moves, self.scatter, 0.0))

    @property
    def second_moment(self) -> Tensor:
        """Uncentered second moment (D, D), the mean of z z^T."""
        return torch.addr(self.covariance, self.mean, self.mean)

    @cached_property
    def square(self) -> Tensor:
        """Sum of the squares of the covariance's entries, which is that of its eigenvalues."""
        norm: Tensor = torch.linalg.vector_norm(self.scatter) / max(self.n, 1)
        return norm.square()

    @property
    def uncentered_square(self) -> Tensor:
        """Sum of the squares of the second moment's entries, which is that of its eigenvalues."""
        long = self.mean @ self.mean
        return self.square + 2 * (self.mean @ (self.scatter @ self.mean)) / max(self.n, 1) + long.square()

    def add(self, z: Tensor, *, in_place: bool = False) -> Moments:
        """The moments of these rows and of more rows z (M, D); for few rows, without a D x D matrix of their own.

        in_place: these are of no use afterwards.
        """
        rows = z.detach().double()
        n = self.n + len(rows)
        if len(rows) == 0:
            return self
        mean = self.mean + (rows.mean(0) - self.mean) * (len(rows) / n)
        shift, y = self.mean - mean, rows - mean
        cubic, quartic = _higher(self.n, self.scatter @ shift, self.scatter.trace(), self.cubic, self.quartic, shift)
        squares = torch.linalg.vecdot(y, y)
        both = torch.cat([y, self.n**0.5 * shift[None]])
        scatter = torch.addmm(self.scatter, both.T, both, out=self.scatter if in_place else None)
        return Moments(n, mean, scatter, cubic + squares @ y, quartic + squares @ squares)


class RunningMoments:
    """Moments that grow in place, for a long pass: a batch costs its own product and hardly any other D x D work.

    scatter: zeros (D, D), to write to; upper: its upper triangle, on a CPU, and not the lower one.

    >>> running = RunningMoments(2)
    >>> for batch in torch.tensor([[0.0, 0.0], [2.0, 4.0]]).split(1):
    ...     running.add(batch)
    >>> running.result().covariance
    tensor([[1., 2.],
            [2., 4.]], dtype=torch.float64)
    """

    def __init__(
        self, dims: int, device: torch.device | None = None, *, scatter: Tensor | None = None, upper: bool = False
    ) -> None:
        self._n = 0
        self._mean = torch.zeros(dims, dtype=torch.float64, device=device)
        if scatter is None:
            scatter = torch.zeros(dims, dims, dtype=torch.float64, device=device)
        self._scatter, self._upper = scatter, upper  # on a CPU one triangle of it, and the other stays as it is
        self._cubic = torch.zeros_like(self._mean)
        self._quartic = self._mean.sum()

    def add(self, z: Tensor, room: Tensor | None = None) -> None:
        """Add the rows of z (N, D), of any dtype; N may be 0. room (N + 1 or more, D): float64, to work in."""
        rows = z.detach().double()
        if len(rows) == 0:
            return
        n = self._n + len(rows)
        mean = self._mean + (rows.mean(0) - self._mean) * (len(rows) / n)
        y = rows.new_empty(len(rows) + 1, rows.shape[1]) if room is None else room[: len(rows) + 1]
        # the new rows about the mean of all, and one for the old ones
        torch.sub(rows, mean, out=y[:-1])
        torch.mul(self._mean - mean, self._n**0.5, out=y[-1])
        if self._n:
            self._turn(self._mean - mean)
        squares = torch.linalg.vecdot(y[:-1], y[:-1])
        self._cubic += squares @ y[:-1]
        self._quartic += squares @ squares
        if y.device.type == "cpu":  # half of the operations of the whole product
            dsyrk(1.0, y.numpy().T, beta=1.0, c=self._scatter.numpy().T, lower=self._upper, overwrite_c=1)
        else:
            self._scatter.addmm_(y.T, y)
        self._n, self._mean = n, mean

    @property
    def n(self) -> int:
        """Number of rows so far."""
        return self._n

    @property
    def vectors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Mean (D,), cubic (D,) and quartic () of them."""
        return self._mean.clone(), self._cubic.clone(), self._quartic.clone()

    def result(self, *, last: bool = False) -> Moments:
        """Moments of all rows so far; last: no more will come, so that nothing must be copied."""
        whole = self._scatter if last else self._scatter.clone()
        if whole.device.type == "cpu":
            mirror(whole.T if self._upper else whole)
        mean, cubic, quartic = self.vectors
        return Moments(self._n, mean, whole, cubic, quartic)

    def _turn(self, shift: Tensor) -> None:
        """Cubic and quartic about a mean that is `shift` (D,) away."""
        if shift.device.type == "cpu":
            turned = torch.from_numpy(dsymv(1.0, self._scatter.numpy().T, shift.numpy(), lower=self._upper))
        else:
            turned = self._scatter @ shift
        trace = self._scatter.trace()
        self._cubic, self._quartic = _higher(self._n, turned, trace, self._cubic, self._quartic, shift)


def moments(z: Tensor) -> Moments:
    """Moments of the rows of embeddings, in memory D x D.

    Args:
        z: Rows (N, D), of any dtype; N may be 0.

    >>> moments(torch.tensor([[0.0, 0.0], [2.0, 4.0]])).covariance
    tensor([[1., 2.],
            [2., 4.]], dtype=torch.float64)
    """
    running = RunningMoments(z.shape[1], z.device)
    running.add(z)
    return running.result(last=True)


def merge(a: Moments, b: Moments, *, in_place: bool = False) -> Moments:
    """Moments of the union of two sets of rows (Chan, Golub & LeVeque, 1979); exact in any order.

    in_place: the first is overwritten.
    """
    n = a.n + b.n
    if n == 0:
        return a
    apart = b.mean - a.mean
    mean = a.mean + apart * (b.n / n)
    (cubic, quartic), others = _about(a, mean), _about(b, mean)
    scatter = a.scatter.add_(b.scatter) if in_place else torch.add(a.scatter, b.scatter)
    scatter.addr_(apart, apart, alpha=a.n * b.n / n)
    axes = None if a.axes is None or b.axes is None else _merged_axes(a.n, a.axes, b.n, b.axes)
    return Moments(n, mean, scatter, cubic + others[0], quartic + others[1], axes)


def without(whole: Moments, part: Moments, *, in_place: bool = False) -> Moments:
    """Moments of the rows that are in `whole` and not in `part`, which must be a part of it.

    This is a difference: it loses the digits by which the part is larger than the rest, so merge the rest where it is
    tiny.
    in_place: the part is of no use afterwards.

    >>> a, b = moments(torch.tensor([[0.0], [2.0]])), moments(torch.tensor([[7.0]]))
    >>> without(merge(a, b), b)
    Moments(n=2, mean=tensor([1.], dtype=torch.float64), scatter=tensor([[2.]], dtype=torch.float64))
    """
    n = whole.n - part.n
    mean = whole.mean + (whole.mean - part.mean) * (part.n / max(n, 1))
    apart = part.mean - mean
    (cubic, quartic), others = _about(whole, mean), _about(part, mean)
    scatter = torch.sub(whole.scatter, part.scatter, out=part.scatter if in_place else None)
    scatter.addr_(apart, apart, alpha=-n * part.n / whole.n)
    axes = None
    if whole.axes is not None and part.axes is not None:
        middle = whole.axes.mean + (whole.axes.mean - part.axes.mean) * (part.n / max(n, 1))
        squares = whole.axes.squares - part.axes.squares - n * part.n / whole.n * (middle - part.axes.mean).square()
        axes = Axes(middle, squares.clamp_min(0.0))
    return Moments(n, mean, scatter, cubic - others[0], quartic - others[1], axes)


def _merged_axes(n: int, a: Axes, m: int, b: Axes) -> Axes:
    apart = b.mean - a.mean
    return Axes(a.mean + apart * (m / (n + m)), a.squares + b.squares + n * m / (n + m) * apart.square())


def _about(a: Moments, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Cubic and quartic of the rows of `a` about another mean."""
    shift = a.mean - mean
    return _higher(a.n, a.scatter @ shift, a.scatter.trace(), a.cubic, a.quartic, shift)


def _higher(
    n: int, turned: Tensor, trace: Tensor, cubic: Tensor, quartic: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    """Cubic and quartic of n rows y + shift, from those of the y, which sum to zero; turned = scatter @ shift."""
    square = shift @ shift
    new_cubic = cubic + trace * shift + 2 * turned + n * square * shift
    return new_cubic, quartic + 4 * (shift @ (turned + cubic)) + 2 * square * trace + n * square**2
