"""A uniform sample of rows that does not depend on how they were split: seeded by row number, merged in any order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Reservoir:
    """The rows with the `size` smallest random keys, and their numbers `index` (k,) in ascending order.

    The key of a row is a function of the seed and the row's number alone, so that any split of the rows, sampled part
    by part and merged in any order, gives the same sample.

    >>> z = torch.arange(12.0).view(6, 2)
    >>> parts = merge_samples(reservoir(z[4:], size=3, start=4), reservoir(z[:4], size=3))
    >>> torch.equal(parts.rows, reservoir(z, size=3).rows)
    True
    """

    size: int
    seed: int
    index: Tensor  # (k,) int64
    rows: Tensor  # (k, ...)


def reservoir(z: Tensor, *, size: int, start: int = 0, seed: int = 0, index: Tensor | None = None) -> Reservoir:
    """A sample of at most `size` of the rows of z (N, ...), whose numbers are `index` (N,), or start, start + 1, ..."""
    index = torch.arange(start, start + len(z)) if index is None else index
    kept = _smallest(index, size, seed)
    return Reservoir(size, seed, index[kept], z.detach()[kept.to(z.device)])


def merge_samples(a: Reservoir, b: Reservoir) -> Reservoir:
    """The sample of the union of two disjoint sets of rows; both must have the same size and seed."""
    if (a.size, a.seed) != (b.size, b.seed):
        raise ValueError("samples of different size or seed do not merge")
    if len(a.index) == 0 or len(b.index) == 0:
        return a if len(a.index) else b
    index = torch.cat([a.index, b.index])
    kept = _smallest(index, a.size, a.seed)
    return Reservoir(a.size, a.seed, index[kept], torch.cat([a.rows, b.rows])[kept.to(a.rows.device)])


def row_keys(index: Tensor, seed: int) -> NDArray[np.uint64]:
    """A well-mixed 64-bit key for each row number (n,): splitmix64 (Steele, Lea & Flood, 2014) of number and seed.

    >>> keys = row_keys(torch.arange(10_000), seed=0)
    >>> len(set(keys.tolist())), round(float((keys % 4 == 0).mean()), 1)
    (10000, 0.2)
    """
    golden = 0x9E3779B97F4A7C15
    x = index.numpy().astype(np.uint64) + np.uint64((seed * 0xD1342543DE82EF95 + 1) % 2**64)
    return mix(x * np.uint64(golden))


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The last step of splitmix64 (n,): every bit depends on every other, and different numbers stay different."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = x ^ (x >> np.uint64(31))
    return mixed


def _smallest(index: Tensor, size: int, seed: int) -> Tensor:
    """Positions (k,) of the `size` smallest keys, in ascending order of the row number."""
    order = np.lexsort((index.numpy(), row_keys(index, seed)))[:size]
    chosen = torch.from_numpy(order)
    return chosen[index[chosen].argsort()]
