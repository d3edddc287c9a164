"""The blocks of all pairs, dealt out to the processes that hold the same rows: each computes its own ones.

A part that is shared is told so by the context `shared`, in which all processes must compute it, in one order.
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
    """Which process this is, of how many, and how tensors (1, ...) of all become one (count, ...), with gradient."""

    rank: int
    count: int
    gather: Callable[[Tensor], Tensor]


_SHARES: ContextVar[Shares | None] = ContextVar("shares", default=None)


@contextmanager
def shared(shares: Shares | None) -> Iterator[None]:
    """What is computed over all pairs of rows inside is computed by all processes together; None is alone."""
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
    """First row of each block of this process, and the row after its last, where a block meets all later rows.

    A process gets of 2 x count blocks one of the first and one of the last, since blocks meet fewer rows one by one.

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
    """UserError where a second derivative is asked for of what several processes share."""
    if own[1] > 1:
        raise UserError(
            "A loss over all pairs that several processes share has no second derivative: leave out create_graph=True, "
            "or compute it outside of `sharing`."
        )
