"""Features that are computed once: in memory, or in float16 in a file where they would not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy
from numpy.typing import NDArray
from torch import Tensor

from fullrank.engine.gather import gather_rows, place_among_processes, share_of, wait_for_all
from fullrank.errors import UserError
from fullrank.evaluation.features import encoded
from fullrank.runs import full_disk_is_an_error

Half = NDArray[np.float16]
_ROUNDING, _ROUNDING_OF_HALF = 2.0**-24, 2.0**-11  # of a number, relative to it: in float32 and in float16
_CPU = torch.device("cpu")
LIMIT = 2**30  # bytes of float32 features that are kept in memory; logistic regression holds two copies of them


@dataclass(frozen=True, eq=False)
class Stored:
    """Rows (N, F), as float32 when they are read; those in a file are in float16 there, three digits.

    `mean` and `scale` (F,) standardize them as they are read.
    """

    rows: Tensor | Half
    mean: Tensor | None = None
    scale: Tensor | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """Features of a row."""
        return int(self.rows.shape[1])

    @property
    def in_memory(self) -> bool:
        """Whether they are."""
        return isinstance(self.rows, Tensor)

    def take(self, indices: Tensor) -> Tensor:
        """The rows at some indices (K,), in their order: float32 (K, F)."""
        if isinstance(self.rows, Tensor):
            return self._standard(self.rows[indices])
        order = indices.argsort()  # a disk is read forwards
        found = torch.from_numpy(self.rows[indices[order].numpy()].astype(np.float32))
        return self._standard(torch.empty_like(found).index_copy_(0, order, found))

    def chunks(self, size: int, order: Tensor | None = None) -> Iterator[Tensor]:
        """All rows, `size` at a time, in their order or in another one (N,)."""
        order = torch.arange(len(self)) if order is None else order
        for first in range(0, len(self), size):
            yield self.take(order[first : first + size])

    def standardized(self) -> Stored:
        """The same rows, with mean 0 and standard deviation 1 in every feature; one that varies by rounding is 0."""
        total, square, largest = torch.zeros(3, self.width, dtype=torch.float64)
        for chunk in self.chunks(16_384):
            total += chunk.double().sum(0)
            square += chunk.double().square().sum(0)
            largest = largest.maximum(chunk.double().abs().amax(0))
        mean = total / len(self)
        deviation = (square / len(self) - mean.square()).clamp_min(0).sqrt()
        varies = deviation > largest * (_ROUNDING if self.in_memory else _ROUNDING_OF_HALF)
        return replace(self, mean=mean.float(), scale=torch.where(varies, 1 / deviation, 0).float())

    def rounded(self, rows: Tensor) -> Tensor:
        """Other rows (M, F), rounded as these are kept."""
        return rows if self.in_memory else _halves(rows).float()

    def _standard(self, rows: Tensor) -> Tensor:
        return rows if self.mean is None or self.scale is None else (rows - self.mean) * self.scale


def store(
    encode: Callable[[Tensor], Tensor],
    batches: Iterable[Tensor],
    n: int,
    *,
    file: Path,
    limit: int = LIMIT,
    device: torch.device = _CPU,
) -> Stored:
    """Encode n images by batches, once; where float32 rows would take more than `limit` bytes, into a file.

    Of several processes each has the batches of its `share_of` the n images, and all have the rows of all.

    >>> store(lambda x: x.flatten(1), [torch.ones(2, 1, 2, 2)], 2, file=Path("features.npy")).rows.shape
    torch.Size([2, 4])
    """
    kept: Tensor | Half | None = None
    mine, done = share_of(n), 0
    for z in encoded(encode, batches, device):
        if kept is None:
            kept = _room(n, mine, z.shape[1], file, limit)
        if isinstance(kept, Tensor):
            kept[done : done + len(z)] = z
        else:
            half = _halves(z).cpu().numpy()
            with full_disk_is_an_error(file):
                kept[done : done + len(z)] = half
        done += len(z)
    if kept is None:
        raise UserError("There is no image to encode: pass a data set with at least one image.")
    if isinstance(kept, Tensor):
        return Stored(gather_rows(kept, n))
    wait_for_all()
    return Stored(npy.open_memmap(file, mode="r"))


def _halves(rows: Tensor) -> Tensor:
    """Rows in float16; raises UserError for what it cannot hold."""
    half = rows.half()
    if not bool(half.isfinite().all()):
        raise UserError(
            "The features are not finite, or above the 65,504 that float16 holds in a file: raise --memory "
            "to keep them in memory, or check that the encoder's training did not diverge."
        )
    return half


def _room(n: int, mine: range, width: int, file: Path, limit: int) -> Tensor | Half:
    """Room for the rows of this process: in memory, or its part of the file, which the first process makes."""
    if n * width * 4 <= limit:
        return torch.empty(len(mine), width)
    if place_among_processes()[0] == 0:
        with full_disk_is_an_error(file):
            npy.open_memmap(file, mode="w+", dtype=np.float16, shape=(n, width))
    wait_for_all()
    return npy.open_memmap(file, mode="r+")[mine.start : mine.stop]
