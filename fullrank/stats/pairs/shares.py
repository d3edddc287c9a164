"""Blocks of all pairs, distributed over the processes that hold the same rows: each process computes its own blocks.

The context `shared` makes a computation shared: all processes must run it, in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from torch import Tensor

from fullrank.errors import UserError


@dataclass(frozen=True)
class Shares:
    """Which process this is, of how many, and how tensors (1, ...) are gathered to (count, ...), with gradient."""

    rank: int
    count: int
    gather: Callable[[Tensor], Tensor]


_SHARES: ContextVar[Shares | None] = ContextVar("shares", default=None)


@contextmanager
def shared(shares: Shares | None) -> Iterator[None]:
    """Share what is computed over all pairs of rows inside among all processes; None means this process alone."""
    token = _SHARES.set(shares)
    try:
        yield
    finally:
        _SHARES.reset(token)


def place() -> tuple[int, int]:
    """Which process this is, and of how many.

    >>> place()
    (0, 1)
    """
    shares = _SHARES.get()
    return (0, 1) if shares is None else (shares.rank, shares.count)


def parts(own: Tensor) -> Tensor:
    """The results (count, ...) of all processes, of which this one has its `own` (...).

    >>> import torch
    >>> parts(torch.tensor(3.0))
    tensor([3.])
    """
    shares = _SHARES.get()
    return own[None] if shares is None else shares.gather(own[None])


def starts(rows: int, block: int, rank: int, count: int) -> Iterator[tuple[int, int]]:
    """First row of each block of this process, and the row after its last; a block meets all later rows.

    Each process gets one of the first and one of the last of 2 x count blocks, since later blocks meet fewer rows.

    >>> list(starts(5, 2, 0, 1))
    [(0, 2), (2, 4), (4, 5)]
    >>> list(starts(16, 512, 0, 2)), list(starts(16, 512, 1, 2))
    ([(0, 2), (6, 8), (8, 10), (14, 16)], [(2, 4), (4, 6), (10, 12), (12, 14)])
    """
    if count > 1:
        block = max(1, min(block, rows // (4 * count)))
    for number, start in enumerate(range(0, rows, block)):
        if number % (2 * count) in (rank, 2 * count - 1 - rank):
            yield start, min(start + block, rows)


def refuse(own: tuple[int, int]) -> None:
    """Raise a UserError if a second derivative is asked for of what several processes share."""
    if own[1] > 1:
        raise UserError(
            "A loss over all pairs that several processes share has no second derivative: leave out create_graph=True, "
            "or compute it outside of `sharing`."
        )
