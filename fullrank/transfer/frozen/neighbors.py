"""Neighbors that vote, by cosine or Euclidean distance, weighted or by majority; exact, in chunks of the bank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from fullrank.evaluation.nearest import largest, nearest
from fullrank.transfer.frozen.stored import Stored
from fullrank.transfer.protocols import Neighbors

CANDIDATES = (1, 3, 5, 10, 20, 50, 100, 200)  # of which k is chosen
_MOST = 10_000  # rows that k is chosen on
_SIMILARITIES = 2**25  # held at a time: 128 MiB of float32
_QUERIES = 8192  # at a time


@torch.no_grad()
def votes(bank: Stored, labels: Tensor, queries: Tensor, how: Neighbors, *, classes: int) -> Tensor:
    """The votes (Q, C) of the `how.k` rows of bank (M, F) with labels (M,) that are nearest to each query (Q, F).

    A weighted vote counts exp(cosine / temperature), or exp(-distance / temperature) of squared Euclidean distances,
    times a factor that all votes of a query share. Of equally near rows those of the lowest class come first.

    >>> bank = Stored(torch.tensor([[0.0, 1.0], [0.0, 2.0], [3.0, 0.0]]))
    >>> five = Neighbors(k=5, distance="euclidean", vote="majority")
    >>> votes(bank, torch.tensor([1, 1, 0]), torch.tensor([[3.0, 0.0]]), five, classes=2)
    tensor([[1., 2.]], dtype=torch.float64)
    """
    order = labels.argsort(stable=True)  # lowest class first, so that the lower index wins a tie
    parts = []
    for some in queries.split(_QUERIES):
        near, which = _nearest(bank, order, some, how.k, how.distance)
        parts.append(_counted(near, labels[order][which], how, classes))
    return torch.cat(parts)


@torch.no_grad()
def choose_k(bank: Stored, labels: Tensor, how: Neighbors, *, classes: int, seed: int) -> dict[int, float]:
    """The leave-one-out accuracy of the bank by k, of up to 10,000 of its rows; the best k is what to take.

    >>> x = torch.tensor([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> choose_k(Stored(x), torch.tensor([0, 0, 0, 1, 1, 1]), Neighbors(k=1, distance="euclidean", vote="majority"),
    ...          classes=2, seed=0)
    {1: 1.0, 3: 1.0, 5: 0.0}
    """
    order = labels.argsort(stable=True)
    some = torch.randperm(len(bank), generator=torch.Generator().manual_seed(seed))[:_MOST]
    place = torch.empty_like(order).index_copy_(0, order, torch.arange(len(order)))  # of a row in the order
    tried = [k for k in CANDIDATES if k < len(bank)]
    right = dict.fromkeys(tried, 0)
    for rows in some.split(_QUERIES):
        near, which = _nearest(bank, order, bank.take(rows), tried[-1] + 1, how.distance)
        others = which != place[rows][:, None]
        others[others.all(1), -1] = False  # a row that lost its own place to others like it
        near, which = near[others].view(len(rows), -1), which[others].view(len(rows), -1)
        for k in tried:
            counted = _counted(near[:, :k], labels[order][which[:, :k]], replace(how, k=k), classes)
            right[k] += int((counted.argmax(1) == labels[rows]).sum())
    return {k: count / len(some) for k, count in right.items()}


def _nearest(bank: Stored, order: Tensor, queries: Tensor, k: int, distance: str) -> tuple[Tensor, Tensor]:
    """Nearness (q, k), descending, and where in `order` (q, k)."""
    size = max(1, min(len(bank), _SIMILARITIES // len(queries)))
    chunks = bank.chunks(size, order)
    if distance == "cosine":
        return nearest(queries, chunks, k)
    return _euclidean(queries, chunks, k)


def _euclidean(queries: Tensor, chunks: Iterator[Tensor], k: int) -> tuple[Tensor, Tensor]:
    """Minus the squared distances (q, k), descending, and rows (q, k) from 0.

    They are rounded, relative to the squares of distance and query: what is finer would part equal rows.
    """
    q = queries.double()  # float32 would lose small differences of long rows
    squares = q.square().sum(1, keepdim=True)
    best, at, read = q.new_zeros(len(q), 0), torch.zeros(len(q), 0, dtype=torch.int64), 0
    for chunk in chunks:
        b = chunk.double()
        far = (2 * q @ b.T).neg_().add_(b.square().sum(1)).add_(2 * squares)
        split = far * (2.0**13 + 1)  # Veltkamp's: of the 53 bits, the first 40 stay
        near = squares - (split - (split - far))
        here = torch.arange(read, read + len(b)).expand(len(q), -1)
        near, rows = torch.cat([best, near], 1), torch.cat([at, here], 1)
        best, chosen = largest(near, min(k, near.shape[1]))
        at = rows.gather(1, chosen)
        read += len(b)
    return best, at


def _counted(near: Tensor, labels: Tensor, how: Neighbors, classes: int) -> Tensor:
    """The votes (q, C) of neighbors with nearness and labels (q, k)."""
    near = near.double()
    weight = ((near - near[:, :1]) / how.temperature).exp() if how.vote == "weighted" else torch.ones_like(near)
    counted = near.new_zeros(len(near), classes)
    rows = torch.arange(len(near))
    for label, share in zip(labels.T, weight.T, strict=True):  # in a fixed order, so that equal votes are equal
        counted[rows, label] += share
    return counted
