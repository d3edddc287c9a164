"""The last rows of a training's batches, of which a reading is made: so many that single batches do not decide."""

from __future__ import annotations

from collections import deque

import torch
from torch import Tensor

from fullrank.errors import UserError

FEWEST, MOST = 256, 1024  # rows of a reading


class Rows:
    """Collects the rows of batches (N, D) of any size until they are enough for a reading.

    Every reading has the same number of rows, for ranks compare at equal N only: `count`, or that of the first batch,
    but 256 to 1,024. Larger batches are thinned evenly; of smaller ones the last are joined. What a reading took is
    gone, so that no row is read twice. Batches of another width, or with a second view only sometimes, are refused.

    >>> rows = Rows()
    >>> for size in (100, 30, 100):
    ...     rows.add((torch.zeros(size, 4),))
    >>> rows.lacking
    26
    >>> rows.add((torch.zeros(90, 4),))
    >>> [view.shape for view in rows.take()]
    [torch.Size([256, 4])]
    """

    def __init__(self, count: int = 0) -> None:
        self.count = count  # rows of a reading; 0 before the first batch
        self.batches = 0  # that the last reading was made of
        self._like: tuple[int, int] | None = None  # views and dimensions of every batch
        self._kept: deque[tuple[Tensor, ...]] = deque()

    @property
    def lacking(self) -> int:
        """Rows that are missing for a reading."""
        return max(self.count - self._held, 0) if self.count else FEWEST

    def add(self, views: tuple[Tensor, ...], *, due: bool = True) -> None:
        """Take in a batch: one view (N, D) of its samples, or several of the same shape.

        A batch that is enough by itself is not kept unless a reading is due.
        """
        shape = views[0].shape
        if len(shape) != 2 or 0 in shape:
            raise UserError(
                f"The embeddings have the shape {tuple(shape)}: pass (samples, dimensions), both at least 1."
            )
        if any(view.shape != shape for view in views):
            shapes = " and ".join(str(tuple(view.shape)) for view in views)
            raise UserError(f"The views have the shapes {shapes}: pass as many rows and dimensions in each.")
        self._like = self._like or (len(views), shape[1])
        if self._like != (len(views), shape[1]):
            before, now = self._like, (len(views), shape[1])
            raise UserError(
                f"Batches were (views, dimensions) = {before} and are {now} now: use a monitor for each layer, and "
                "other_view= at every step or at none."
            )
        self.count = self.count or min(max(shape[0], FEWEST), MOST)
        if shape[0] >= self.count and not due:
            return
        even = thinned(views, self.count)
        # A copy, for a later layer may work in place.
        self._kept.append(tuple(view.detach().clone() for view in even))
        while self._held - len(self._kept[0][0]) >= self.count:
            self._kept.popleft()

    def take(self) -> tuple[Tensor, ...]:
        """The last rows, one (N, D) a view, and forget them."""
        views = tuple(torch.cat(parts)[-self.count :] for parts in zip(*self._kept, strict=True))
        self.batches = len(self._kept)
        self._kept.clear()
        return views

    @property
    def _held(self) -> int:
        return sum(len(views[0]) for views in self._kept)


def thinned(views: tuple[Tensor, ...], most: int) -> tuple[Tensor, ...]:
    """At most so many of the rows of each view, evenly spaced; the same of each.

    >>> thinned((torch.arange(6)[:, None],), 2)[0].tolist()
    [[0], [5]]
    """
    n = len(views[0])
    if n <= most:
        return views
    chosen = torch.linspace(0, n - 1, most, device=views[0].device).long()
    return tuple(view[chosen] for view in views)
