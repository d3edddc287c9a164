"""Zero samples, which have a number and a group and nothing else; and the group of any sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from fullrank.stats.reservoir import Reservoir, merge_samples, row_keys

GROUPS = 20  # of samples, of which those of moments are made
_UNITS = np.uint64(5 << 60)  # a multiple of 20, so that the rest of a key is in the same group, and in int64
_FIRST = 20  # numbers that are kept
_GROUPED = 1  # stream of random keys


@dataclass(frozen=True, eq=False)
class Zeros:
    """How many samples of each group (20,) are zero, their first 20 numbers, and a sample of their numbers and units.

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


def add_zeros(a: Zeros, index: Tensor, units: Tensor) -> Zeros:
    """With the samples of these numbers (n,) and units (n,) added."""
    if len(index) == 0:
        return a
    nothing = no_zeros(a.drawn.size, a.drawn.seed)
    more = merge_samples(nothing.drawn, Reservoir(a.drawn.size, a.drawn.seed, index, units))
    counts = (units % GROUPS).bincount(minlength=GROUPS)
    return merge_zeros(a, replace(nothing, counts=counts, first=index, drawn=more))


def merge_zeros(a: Zeros, b: Zeros) -> Zeros:
    """The zeros of both."""
    first = torch.cat([a.first, b.first]).sort().values[:_FIRST]
    return Zeros(a.counts + b.counts, first, merge_samples(a.drawn, b.drawn), a.inside + b.inside)


def alone(index: Tensor, seed: int) -> Tensor:
    """A random unit (n,) of its own for each sample number (n,); its rest after division by 20 is its group.

    >>> len(alone(torch.arange(1000), 0).unique())
    1000
    """
    return torch.from_numpy((row_keys(index, seed + _GROUPED) % _UNITS).astype(np.int64))


def in_turn(codes: Tensor, seed: int) -> Tensor:
    """The units (N,) that codes (N,) name, numbered from 0 in random order, so that 20 groups get equally many.

    >>> in_turn(torch.tensor([7, 7, 8, 7, 90]), 0)
    tensor([0, 0, 2, 0, 1])
    """
    names, which = codes.unique(return_inverse=True)
    order = torch.from_numpy(row_keys(names, seed + _GROUPED).argsort())
    return torch.empty_like(order).scatter_(0, order, torch.arange(len(order)))[which]


def both_met(a: Tensor | None, b: Tensor | None) -> Tensor | None:
    """Which units (U,) were met in a or in b, by number; None if one of them does not know.

    >>> both_met(torch.tensor([True]), torch.tensor([False, False, True]))
    tensor([ True, False,  True])
    """
    if a is None or b is None:
        return None
    found = torch.zeros(max(len(a), len(b)), dtype=torch.bool)
    found[: len(a)] |= a
    found[: len(b)] |= b
    return found
