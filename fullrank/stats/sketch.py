"""One pass over embeddings of any size: what is additive, exactly, in groups; a seeded sample for pairs; row hashes.

A sketch is what a diagnosis needs of the rows, in memory that does not grow with them. Sketches of parts merge, in any
order, to the sketch of the whole: that is all a cluster job needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.runs import write_npz
from fullrank.stats import (
    Distinct,
    Moments,
    Reservoir,
    RunningDistinct,
    RunningMoments,
    merge,
    merge_distinct,
    merge_samples,
    normalize,
    reservoir,
    row_keys,
)

SAMPLE = 8192  # rows for what looks at pairs
GROUPS = 20  # of the sample
HASHES = 2**20  # different rows that are counted exactly
_BUDGET = 2**29  # bytes of all groups' scatter matrices, as far as at least 5 groups allow
_GROUPED, _SAMPLED, _HASHED = 1, 2, 3  # streams of random keys
_PARTS = ("n", "mean", "scatter", "cubic", "quartic")  # of Moments


@dataclass(frozen=True, eq=False)
class Sketch:
    """Moments of V views of N samples with D features, of the rows as they are and at length 1, in G groups.

    The views of a sample are always in the same group, so that leaving out a group leaves out whole samples. The
    sample holds whole samples too: rows (k, V, D) and their numbers, and sample_groups (k,) says which of 20 groups
    each is in. `distinct` counts how many samples differ in their first view: equal images that were augmented at
    random differ in every view, and a text may go with many.
    """

    raw: tuple[Moments, ...]
    unit: tuple[Moments, ...]
    sample: Reservoir
    sample_groups: Tensor
    distinct: Distinct
    zero_rows: int

    @property
    def n(self) -> int:
        """Number of rows: samples times views."""
        return sum(group.n for group in self.raw)

    @property
    def total(self) -> Moments:
        """Moments of all rows."""
        return reduce(merge, self.raw)

    @property
    def total_unit(self) -> Moments:
        """Moments of all rows at length 1."""
        return reduce(merge, self.unit)

    def save(self, path: Path) -> None:
        """Write the sketch to an .npz file."""
        arrays = {"index": self.sample.index, "rows": self.sample.rows.cpu(), "groups": self.sample_groups}
        for kind, groups in (("raw", self.raw), ("unit", self.unit)):
            for part in _PARTS:
                values = [torch.as_tensor(getattr(group, part)) for group in groups]
                arrays[f"{kind}_{part}"] = torch.stack(values).cpu()
        sample, distinct = self.sample, self.distinct
        numbers = [sample.size, sample.seed, distinct.n, distinct.size, distinct.seed, self.zero_rows]
        arrays["numbers"] = torch.tensor(numbers)
        write_npz(path, {name: x.numpy() for name, x in arrays.items()} | {"hashes": distinct.hashes})


def load_sketch(path: Path) -> Sketch:
    """Read a sketch that `Sketch.save` wrote; UserError if the file is none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            size, seed, *hashed, zero_rows = (int(number) for number in file["numbers"])
            n, most, hash_seed = hashed
            distinct = Distinct(n, most, hash_seed, file["hashes"])
            raw, unit = (
                tuple(
                    Moments(int(count), *(torch.as_tensor(part) for part in parts))
                    for count, *parts in zip(*(file[f"{kind}_{part}"] for part in _PARTS), strict=True)
                )
                for kind in ("raw", "unit")
            )
            index, rows, groups = (torch.from_numpy(file[name]) for name in ("index", "rows", "groups"))
    except (OSError, KeyError, ValueError) as error:
        raise UserError(f"{path} is no sketch ({error}): pass a file that Sketch.save wrote.") from None
    return Sketch(raw, unit, Reservoir(size, seed, index, rows), groups, distinct, zero_rows)


def group_count(dims: int) -> int:
    """How many groups of moments are kept: 20, fewer if D x D is large, at least 5.

    >>> group_count(768), group_count(2048), group_count(8192)
    (20, 8, 5)
    """
    return max(5, min(GROUPS, _BUDGET // (16 * dims * dims)))


def sketch(
    chunks: Iterable[Tensor],
    *,
    start: int = 0,
    units: Tensor | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
) -> Sketch:
    """The sketch of chunks (n, D), or (V, n, D) with V views, read once; memory G x D x D, sample and hashes.

    start: number of the first sample among all, if these are only a part of them. units: codes (N,) of what was
    sampled independently (donors, documents), of all samples; groups are then made of whole units. Raises UserError
    if there is no row, the width changes, or a value is not finite (with the number of its row).

    >>> z = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    >>> whole = sketch([z])
    >>> parts = merge_sketches(sketch([z[600:]], start=600), sketch([z[:100], z[100:600]]))
    >>> whole.n, parts.n, torch.allclose(whole.total.scatter, parts.total.scatter, rtol=1e-12)
    (1000, 1000, True)
    """
    raw: list[RunningMoments] = []
    unit: list[RunningMoments] = []
    kept: Reservoir | None = None
    distinct = RunningDistinct(size=HASHES, seed=seed + _HASHED)
    zero_rows, at = 0, start
    for chunk in chunks:
        z = chunk if chunk.ndim == 3 else chunk[None]
        samples = z.shape[1]
        if samples == 0:
            continue
        views, dims = (z.shape[0], z.shape[2]) if kept is None else kept.rows.shape[1:]
        _check(z, views, dims, at)
        if kept is None:
            raw, unit = ([RunningMoments(dims, z.device) for _ in range(group_count(dims))] for _ in range(2))
        index = torch.arange(at, at + samples)
        zero_rows += _add(raw, unit, z, _dealt(index, units, len(raw), seed))
        distinct.add(z[0])
        part = reservoir(z.transpose(0, 1), size=sample, start=at, seed=seed + _SAMPLED)
        kept = merge_samples(kept, part) if kept else part
        at += samples
    if kept is None:
        raise UserError("There is no embedding to look at: pass at least one row.")
    groups = _dealt(kept.index, units, GROUPS, seed)
    of_raw, of_unit = (tuple(running.result() for running in some) for some in (raw, unit))
    return Sketch(of_raw, of_unit, kept, groups, distinct.result(), zero_rows)


def merge_sketches(a: Sketch, b: Sketch) -> Sketch:
    """The sketch of the samples of both, which must have different numbers, the same width and the same seed."""
    if a.raw[0].mean.shape != b.raw[0].mean.shape:
        widths = len(a.raw[0].mean), len(b.raw[0].mean)
        raise UserError(f"The sketches are of {widths[0]} and {widths[1]} dimensions: merge those of one model.")
    raw = tuple(merge(x, y) for x, y in zip(a.raw, b.raw, strict=True))
    unit = tuple(merge(x, y) for x, y in zip(a.unit, b.unit, strict=True))
    groups = merge_samples(replace(a.sample, rows=a.sample_groups), replace(b.sample, rows=b.sample_groups)).rows
    sample, distinct = merge_samples(a.sample, b.sample), merge_distinct(a.distinct, b.distinct)
    return Sketch(raw, unit, sample, groups, distinct, a.zero_rows + b.zero_rows)


def _dealt(index: Tensor, units: Tensor | None, groups: int, seed: int) -> Tensor:
    """The group (n,) of each sample number (n,): by its unit, if there are units."""
    keys = row_keys(index if units is None else units[index], seed + _GROUPED)
    return torch.from_numpy((keys % np.uint64(groups)).astype(np.int64))


def _add(raw: list[RunningMoments], unit: list[RunningMoments], z: Tensor, group: Tensor) -> int:
    """Take the rows of z (V, n, D) into the group (n,) of their sample; how many are zero."""
    order = group.argsort(stable=True).to(z.device)
    zero_rows = 0
    for some, of_raw, of_unit in zip(order.split(group.bincount(minlength=len(raw)).tolist()), raw, unit, strict=True):
        rows = z[:, some].flatten(0, 1)
        wide = rows.double()
        of_raw.add(wide)
        if rows.dtype == torch.float64:
            of_unit.add(normalize(wide))
        else:  # no square of a narrower number leaves the range of float64
            of_unit.add(wide / torch.linalg.vector_norm(wide, dim=1, keepdim=True).clamp_min(1e-300))
        zero_rows += int((rows == 0).all(1).sum())
    return zero_rows


def _check(z: Tensor, views: int, dims: int, start: int) -> None:
    if (z.shape[0], z.shape[2]) != (views, dims):
        raise UserError(
            f"Row {start} has {z.shape[2]} dimensions in {z.shape[0]} view(s), the first has {dims} in {views}: "
            "pass embeddings of one model."
        )
    if not bool(z.sum().isfinite()) and not bool(z.isfinite().all()):  # a sum is faster, but can overflow
        row = int((~z.isfinite()).any(2).any(0).nonzero()[0, 0])
        kind = "NaN" if bool(z[:, row].isnan().any()) else "infinity"
        raise UserError(f"Row {start + row} contains {kind}: find where it was produced, or leave the row out.")
