"""Moments of rows and of the same rows at length 1 in the memory of one: each scatter is a triangle of one matrix."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.stats.gram import mirror
from fullrank.stats.moments import Axes, Moments, RunningMoments

_BLOCK = 256  # rows of a triangle that are written at a time


@dataclass(frozen=True, eq=False)
class Twin:
    """Moments of n rows as they are and at length 1.

    triangles (D + 1, D): the last D rows hold the scatter of the rows in their lower triangle, the first D rows that of
    the rows at length 1 in their upper one. raw, unit: mean (D,), cubic (D,) and quartic () of each; axes: of each.
    """

    n: int
    triangles: Tensor
    raw: tuple[Tensor, Tensor, Tensor]
    unit: tuple[Tensor, Tensor, Tensor]
    axes: tuple[Axes | None, Axes | None] = (None, None)

    def open(self, *, at_length_one: bool, room: Tensor | None = None) -> Moments:
        """One of the two, in memory of its own, or in `room` (D, D).

        >>> z = torch.eye(3)
        >>> one = RunningTwin(3)
        >>> one.raw.add(2 * z)
        >>> one.unit.add(z)
        >>> [one.result().open(at_length_one=kind).scatter[0, 0] for kind in (False, True)]
        [tensor(2.6667, dtype=torch.float64), tensor(0.6667, dtype=torch.float64)]
        """
        mean, cubic, quartic = self.unit if at_length_one else self.raw
        triangle = self.triangles[:-1] if at_length_one else self.triangles[1:]
        scatter = triangle.clone() if room is None else room.copy_(triangle)
        mirror(scatter.T if at_length_one else scatter)
        return Moments(self.n, mean, scatter, cubic, quartic, self.axes[at_length_one])


class RunningTwin:
    """A `Twin` that grows in place, by rows that are added to `raw`, and at length 1 to `unit`."""

    def __init__(self, dims: int, device: torch.device | None = None) -> None:
        self._triangles: Tensor | None = None
        if device is None or device.type == "cpu":
            self._triangles = both = torch.zeros(dims + 1, dims, dtype=torch.float64)
            self.raw = RunningMoments(dims, scatter=both[1:])
            self.unit = RunningMoments(dims, scatter=both[:-1], upper=True)
        else:  # products are of whole matrices there
            self.raw, self.unit = (RunningMoments(dims, device) for _ in range(2))

    def result(self) -> Twin:
        """Of all rows, after the last."""
        if self._triangles is None:
            return twin(self.raw.result(last=True), self.unit.result(last=True))
        return Twin(self.raw.n, self._triangles, self.raw.vectors, self.unit.vectors)


def twin(raw: Moments, unit: Moments) -> Twin:
    """Of the moments of rows, and of those of the same rows at length 1."""
    dims = len(raw.mean)
    both = raw.scatter.new_empty(dims + 1, dims)
    both[0] = 0.0
    both[1:] = raw.scatter
    for start in range(0, dims, _BLOCK):
        stop = min(start + _BLOCK, dims)
        both[start:stop, stop:] = unit.scatter[start:stop, stop:]
        square = both[start:stop, start:stop]
        square.copy_(square.tril(-1) + unit.scatter[start:stop, start:stop].triu())
    return Twin(raw.n, both, _vectors(raw), _vectors(unit))


def _vectors(one: Moments) -> tuple[Tensor, Tensor, Tensor]:
    return one.mean, one.cubic, one.quartic
