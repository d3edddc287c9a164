"""Zero samples, which have a number and a group and nothing else; and the group of any sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fullrank.stats.reservoir import Reservoir, merge_samples, row_keys

GROUPS = 20  # of samples, of which those of moments are made
_FIRST = 20  # numbers that are kept
_GROUPED = 1  # stream of random keys


@dataclass(frozen=True, eq=False)
class Zeros:
    """How many samples of each group (20,) are zero, their first 20 numbers, and a sample of their numbers and groups.

    inside: zero vectors that a sketch of version 0.1.0 has among its moments, of unknown numbers.
    """

    counts: Tensor
    first: Tensor
    drawn: Reservoir
    inside: int = 0

    @property
    def n(self) -> int:
        """Number of samples, without those `inside`."""
        return int(self.counts.sum())


def no_zeros(size: int, seed: int) -> Zeros:
    """Zeros before any sample."""
    nothing = torch.zeros(0, dtype=torch.int64)
    return Zeros(torch.zeros(GROUPS, dtype=torch.int64), nothing, Reservoir(size, seed, nothing, nothing))


def add_zeros(a: Zeros, index: Tensor, groups: Tensor) -> Zeros:
    """With the samples of these numbers (n,) and groups (n,) added."""
    if len(index) == 0:
        return a
    nothing = no_zeros(a.drawn.size, a.drawn.seed)
    more = merge_samples(nothing.drawn, Reservoir(a.drawn.size, a.drawn.seed, index, groups))
    return merge_zeros(a, replace(nothing, counts=groups.bincount(minlength=GROUPS), first=index, drawn=more))


def merge_zeros(a: Zeros, b: Zeros) -> Zeros:
    """The zeros of both."""
    first = torch.cat([a.first, b.first]).sort().values[:_FIRST]
    return Zeros(a.counts + b.counts, first, merge_samples(a.drawn, b.drawn), a.inside + b.inside)


def dealt(index: Tensor, units: Tensor | None, seed: int) -> Tensor:
    """The group (n,), of 20, of each sample number (n,): by its unit, if there are units (N,).

    >>> dealt(torch.arange(4), torch.tensor([7, 7, 8, 7]), 0).unique_consecutive(return_counts=True)[1]
    tensor([2, 1, 1])
    """
    keys = row_keys(index if units is None else units[index], seed + _GROUPED)
    return torch.from_numpy((keys % np.uint64(GROUPS)).astype(np.int64))
