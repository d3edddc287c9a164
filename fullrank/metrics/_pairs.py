"""Distances between rows, a block at a time: bounded memory, and a seeded sample where there are too many rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

MOST = 8192  # rows; of more, a metric of pairs takes a random sample of this size, drawn by its seed
PAIRS = 2048  # rows of a diagnosis for what takes time in their square
_BLOCK = 1 << 22  # distances at a time: 32 MB in float64
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


def distances(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Squared distances (B, N - start) of the rows from `start` on to themselves and all later ones of x (N, D).

    Each pair is there once above the diagonal of the block.

    >>> [(start, block.tolist()) for start, block in distances(torch.tensor([[0.0], [2.0]]))]
    [(0, [[0.0, 4.0], [4.0, 0.0]])]
    """
    x = x - x.mean(0)  # distances do not change, and their rounding becomes relative to the spread
    squares = x.square().sum(1)
    rows = max(1, _BLOCK // max(len(x), 1))
    for start in range(0, len(x), rows):
        block = slice(start, start + rows)
        yield start, _squared(x[block], x[start:], squares[block], squares[start:])


def pairs(x: Tensor) -> Iterator[Tensor]:
    """The distances of all pairs i < j of rows of x (N, D), in flat blocks.

    >>> torch.cat([*pairs(torch.tensor([[0.0], [2.0], [3.0]]))])
    tensor([2., 3., 1.])
    """
    for _, block in distances(x):
        upper = torch.ones_like(block, dtype=torch.bool).triu_(1)
        yield block[upper].sqrt()


def neighbors(x: Tensor, k: int, *, queries: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Distances and numbers (Q, k) of the k nearest rows of x (N, D) to each query (Q, D), nearest first.

    Without queries, those of each row to the other rows. Distances are those of the differences, not of norms and
    products. k must be at most N, or N - 1.

    >>> neighbors(torch.tensor([[0.0], [2.0], [3.0]]), 1)
    (tensor([[2.],
            [1.],
            [1.]]), tensor([[1],
            [2],
            [1]]))
    """
    itself = queries is None
    targets = x if queries is None else queries
    mean = x.mean(0)
    x, targets = x - mean, targets - mean
    squares, own = x.square().sum(1), targets.square().sum(1)
    rows = max(1, _BLOCK // max(len(x), k * x.shape[1]))
    near, index = [], []
    for start in range(0, len(targets), rows):
        block = slice(start, start + rows)
        found = _squared(targets[block], x, own[block], squares)
        if itself:
            found[:, start:].fill_diagonal_(math.inf)
        chosen = found.topk(k, dim=1, largest=False).indices
        exact = torch.linalg.vector_norm(targets[block, None] - x[chosen], dim=2)
        order = exact.argsort(dim=1, stable=True)
        near.append(exact.gather(1, order))
        index.append(chosen.gather(1, order))
    return torch.cat(near), torch.cat(index)


def by_lot(u: Tensor, seed: int) -> Tensor:
    """Rows u (N, D) with noise of 1e-8, so that equal distances are told apart by chance and not by their order."""
    noise = torch.randn(u.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return u + 1e-8 * noise.to(u.device)


def distinct(x: Tensor) -> Tensor:
    """x (N, D) without rows that repeat another to 1e-6 of the spread, in no particular order.

    >>> distinct(torch.tensor([[1.0], [2.0], [1.0]]))
    tensor([[1.],
            [2.]])
    """
    return x[first_copies(x)]


def first_copies(x: Tensor) -> Tensor:
    """Numbers (M,) of the rows of x (N, D) that `distinct` keeps: of copies, the first.

    >>> first_copies(torch.tensor([[1.0], [2.0], [1.0]]))
    tensor([0, 1])
    """
    deviation = x - x.mean(0)
    spread = deviation.square().sum(1).mean().sqrt()
    if spread <= 1e-14 * torch.linalg.vector_norm(x.mean(0)):  # float64 arithmetic, not data
        return torch.zeros(1, dtype=torch.int64, device=x.device)
    _, which = (deviation / (spread * _SAME)).round().unique(dim=0, return_inverse=True)
    first = torch.full((int(which.max()) + 1,), len(x), device=x.device)
    return first.scatter_reduce_(0, which, torch.arange(len(x), device=x.device), "amin")


def _squared(a: Tensor, b: Tensor, a_squares: Tensor, b_squares: Tensor) -> Tensor:
    return (a_squares[:, None] + b_squares - 2 * (a @ b.T)).clamp_min_(0.0)
