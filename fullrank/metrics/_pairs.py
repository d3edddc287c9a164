"""Distances between rows, a block at a time: bounded memory, and a seeded sample where there are too many rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cached_property

import torch
from torch import Tensor

from fullrank.stats import products

MOST = 8192  # rows; of more, a metric of pairs takes a random sample of this size, drawn by its seed
PAIRS = 2048  # rows of a diagnosis for what takes time in their square
_BLOCK = 1 << 22  # distances at a time: 32 MB in float64
_CACHED = 1 << 17  # values of rows at a time: 1 MB, which stays in the cache of a processor
_EQUAL = 1e-6  # of squared distances: those that agree to this are tied
_ROUNDING = 1e-15  # of squared distances of rows of length 1
_LINES = 8  # along which rows are compared before their distance is taken
_IN_VAIN = 1 << 27  # differences: a second or two
_SAME = 1e-6  # of the root mean square distance from the mean: rows that agree to this are one row


def sample(x: Tensor, seed: int) -> Tensor:
    """At most 8,192 of the rows of x (N, D), in their order.

    >>> sample(torch.arange(10_000.0)[:, None], seed=0).shape
    torch.Size([8192, 1])
    """
    return x if len(x) <= MOST else x[sampled(len(x), seed).to(x.device)]


def sampled(n: int, seed: int) -> Tensor:
    """Which of n rows `sample` takes, in ascending order.

    >>> sampled(3, seed=0)
    tensor([0, 1, 2])
    """
    chosen = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:MOST]
    return chosen.sort().values


def chosen(count: int, *, seed: int) -> Tensor:
    """At most 2,048 of the numbers below `count`, ascending.

    >>> chosen(3, seed=0)
    tensor([0, 1, 2])
    """
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))[:PAIRS]
    return order.sort().values


def pair_sample(x: Tensor, *, seed: int) -> Tensor:
    """At most 2,048 of the rows x (k, ...), drawn by the seed, in their order.

    >>> pair_sample(torch.arange(3000), seed=0).shape
    torch.Size([2048])
    """
    return x[chosen(len(x), seed=seed)]


class Distances:
    """Squared distances of rows x (N, D) among themselves; those of at most 2,048 rows are computed once and kept.

    With `ties`, a seed, `nearest` draws among equal distances for each row anew, of rows of length 1.

    >>> [(start, block.tolist()) for start, block in Distances(torch.tensor([[0.0], [2.0]]))]
    [(0, [[0.0, 4.0], [4.0, 0.0]])]
    """

    def __init__(self, x: Tensor, matrix: Tensor | None = None, *, ties: int | None = None) -> None:
        self._x = x
        self._ties = ties
        if matrix is not None:
            self.matrix = matrix

    @staticmethod
    def kept(n: int) -> bool:
        """Whether the distances of n rows are computed once."""
        return n * n <= _BLOCK

    def __len__(self) -> int:
        return len(self._x)

    @property
    def device(self) -> torch.device:
        """Where the rows are."""
        return self._x.device

    def __iter__(self) -> Iterator[tuple[int, Tensor]]:
        """The distances (B, N - start) of the rows from `start` on to themselves and all later ones, in blocks.

        Each pair is there once above the diagonal of the block. A block must not be changed.
        """
        rows = max(1, _BLOCK // max(len(self), 1))
        for start in range(0, len(self), rows):
            yield start, self.of(slice(start, start + rows), start)

    def of(self, block: slice | Tensor, start: int = 0) -> Tensor:
        """The distances (B, N - start) of some rows to the rows from `start` on."""
        if self.kept(len(self)):
            return self.matrix[block, start:]
        x, squares = self._about_mean
        return _squared(x[block], x[start:], squares[block], squares[start:])

    @cached_property
    def matrix(self) -> Tensor:
        """All distances (N, N), of few rows."""
        return squared_distances(products(self._about_mean[0]))

    @cached_property
    def _about_mean(self) -> tuple[Tensor, Tensor]:
        """The rows about their mean: distances are the same, and their rounding becomes relative to the spread."""
        x = self._x - self._x.mean(0)
        return x, x.square().sum(1)

    def pairs(self) -> Tensor:
        """The distances of all pairs i < j, flat.

        >>> Distances(torch.tensor([[0.0], [2.0], [3.0]])).pairs()
        tensor([2., 3., 1.])
        """
        return torch.cat([upper(block) for _, block in self]).sqrt_()

    def nearest(self, k: int) -> tuple[Tensor, Tensor]:
        """`neighbors` of each row among the others."""
        return _nearest(self._about_mean[0], self._about_mean[0], k, self.of, itself=True, ties=self._ties)


def upper(block: Tensor) -> Tensor:
    """The entries above the diagonal of a block (B, N), flat.

    >>> upper(torch.tensor([[0.0, 4.0, 9.0], [4.0, 0.0, 1.0]]))
    tensor([4., 9., 1.])
    """
    return torch.cat([row[number:] for number, row in enumerate(block, start=1)])


def median(values: Tensor) -> float:
    """The median; of an even number of values the mean of the two in the middle, of which torch's is the lower.

    >>> median(torch.tensor([8.0, 1.0, 2.0, 4.0]))
    3.0
    """
    return float(values.median() + values.kthvalue(len(values) // 2 + 1).values) / 2


def squared_distances(gram: Tensor, room: Tensor | None = None) -> Tensor:
    """Squared distances (N, N) of rows with these inner products (N, N), written to `room` (N, N) if it is given.

    >>> squared_distances(torch.tensor([[1.0, 0.0], [0.0, 4.0]]))
    tensor([[0., 5.],
            [5., 0.]])
    """
    squares = gram.diagonal()
    found: Tensor = torch.add(squares[:, None], squares, out=room)
    return found.sub_(gram, alpha=2).clamp_min_(0.0)


def neighbors(x: Tensor, k: int, *, queries: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distances and numbers (Q, k) of the k nearest rows of x (N, D) to each query (Q, D), nearest first.

    Without queries, they are the nearest other rows of each row. Distances are computed from differences, not from
    norms and products. k must be at most N, or N - 1 without queries.

    >>> neighbors(torch.tensor([[0.0], [2.0], [3.0]]), 1)
    (tensor([[2.],
            [1.],
            [1.]]), tensor([[1],
            [2],
            [1]]))
    """
    if queries is None:
        return Distances(x).nearest(k)
    mean = x.mean(0)
    x, targets = x - mean, queries - mean
    squares, own = x.square().sum(1), targets.square().sum(1)
    return _nearest(x, targets, k, lambda block: _squared(targets[block], x, own[block], squares))


def _nearest(
    x: Tensor,
    targets: Tensor,
    k: int,
    squares_of: Callable[[slice], Tensor],
    *,
    itself: bool = False,
    ties: int | None = None,
) -> tuple[Tensor, Tensor]:
    rows = max(1, _BLOCK // max(len(x), k * x.shape[1]))
    near, index = [], []
    for start in range(0, len(targets), rows):
        block = slice(start, start + rows)
        found = squares_of(block)
        if itself:
            found = found.clone()
            found[:, start:].fill_diagonal_(math.inf)
        if ties is None or k == found.shape[1]:
            chosen = found.topk(k, dim=1, largest=False).indices
        else:
            chosen = _least(found, k, seed=ties + start)
        exact = torch.cat([_exact(*part, x) for part in _few_at_a_time(targets[block], chosen, x.shape[1])])
        order = exact.argsort(dim=1, stable=True)
        near.append(exact.gather(1, order))
        index.append(chosen.gather(1, order))
    return torch.cat(near), torch.cat(index)


def _least(squares: Tensor, k: int, *, seed: int) -> Tensor:
    """Numbers (B, k) of the least of squares (B, N), k < N; which of those that are tied is drawn for each row anew.

    One order for all rows would make hubs of the rows that come first in it.

    >>> _least(torch.tensor([[2.0, 1.0, 3.0]]), 2, seed=0)
    tensor([[1, 0]])
    """
    least, chosen = squares.topk(k + 1, dim=1, largest=False)
    tied = least[:, k] <= least[:, k - 1] * (1 + _EQUAL) + _ROUNDING
    chosen = chosen[:, :k]
    if bool(tied.any()):
        some = squares[tied]
        drawn = torch.rand(some.shape, generator=torch.Generator().manual_seed(seed), dtype=some.dtype).to(some.device)
        some = some.mul_(1 + _EQUAL * drawn).add_(drawn, alpha=_ROUNDING)
        chosen = chosen.masked_scatter(tied[:, None], some.topk(k, dim=1, largest=False).indices)
    return chosen


def _exact(targets: Tensor, chosen: Tensor, x: Tensor) -> Tensor:
    """Distances (B, k) between the targets (B, D) and the rows of x that were chosen for them."""
    exact: Tensor = torch.linalg.vector_norm(targets[:, None] - x[chosen], dim=2)
    return exact


def _few_at_a_time(targets: Tensor, chosen: Tensor, dims: int) -> Iterator[tuple[Tensor, Tensor]]:
    rows = max(1, _CACHED // max(chosen.shape[1] * dims, 1))
    return zip(targets.split(rows), chosen.split(rows), strict=True)


def with_broken_ties(u: Tensor, seed: int) -> Tensor:
    """Rows u (N, D) with noise of 1e-8, so that equal distances are told apart by chance and not by their order."""
    noise = torch.randn(u.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return noise.to(u.device).mul_(1e-8).add_(u)


def first_copies(x: Tensor) -> Tensor:
    """Numbers (M,), ascending, of the rows of x (N, D) that repeat no earlier one.

    Copies are at most 1e-6 of the spread apart, which is the root mean square distance from the mean.

    Rows that are so near are as near along any line. They are sorted along one, and those that are near along it and
    along some others are compared, the nearest first, up to a number of comparisons in vain, which only noise that is
    hardly larger than 1e-6 of the spread takes.

    >>> first_copies(torch.tensor([[1.0], [2.0], [1.0]]))
    tensor([0, 1])
    """
    deviation = x - x.mean(0)
    spread = float(torch.linalg.vector_norm(deviation)) / len(x) ** 0.5
    if spread <= 1e-14 * float(torch.linalg.vector_norm(x.mean(0))):  # float64 arithmetic, not data
        return torch.zeros(1, dtype=torch.int64, device=x.device)
    noise = torch.randn(x.shape[1], _LINES, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    along = deviation @ torch.linalg.qr(noise)[0].to(x)
    order, step, vain = along[:, 0].argsort(stable=True), 1, 0
    while vain < _IN_VAIN:
        left, right = order[:-step], order[step:]
        near = (along[right, 0] - along[left, 0] <= spread * _SAME).nonzero()[:, 0]
        if not len(near):
            break
        first, second = torch.stack([left[near], right[near]]).sort(0).values
        close = _apart(along, first, second) <= spread * _SAME
        first, second = first[close], second[close]
        copies = second[_apart(deviation, first, second) <= spread * _SAME]
        stays = torch.ones(len(x), dtype=torch.bool, device=x.device).index_fill_(0, copies, False)
        order, step = order[stays[order]], 1 if len(copies) else step + 1  # without them, others are next to each other
        vain += (len(near) - len(copies)) * _LINES + (len(first) - len(copies)) * x.shape[1]
    kept: Tensor = order.sort().values
    return kept


def _apart(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Distances (P,) of the rows of x (N, D) with the numbers a (P,) from those with the numbers b (P,)."""
    parts = zip(*(which.split(max(1, _CACHED // x.shape[1])) for which in (a, b)), strict=True)
    found: Tensor = torch.cat([torch.linalg.vector_norm(x[one] - x[other], dim=1) for one, other in parts])
    return found


def first_of_each(which: Tensor) -> Tensor:
    """Numbers (M,) of the first row of each value, by which value (N,) each row takes.

    >>> first_of_each(torch.tensor([1, 0, 1]))
    tensor([1, 0])
    """
    first = torch.full((int(which.max()) + 1,), len(which), device=which.device)
    return first.scatter_reduce_(0, which, torch.arange(len(which), device=which.device), "amin")


def _squared(a: Tensor, b: Tensor, a_squares: Tensor, b_squares: Tensor) -> Tensor:
    return (a_squares[:, None] + b_squares - 2 * (a @ b.T)).clamp_min_(0.0)
