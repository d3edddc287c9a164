"""Making, merging and reading sketches.

A sketch is what a diagnosis needs of the rows, in memory that does not grow with them. Sketches of parts merge, in any
order, to the sketch of the whole: that is all a cluster job needs. Single rows do not dominate its numbers: zero,
exploded and near-empty rows are listed and left out. Fewer rows than dimensions are kept as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from fullrank.errors import UserError
from fullrank.runs.arrays import DAMAGE, read_npz
from fullrank.stats import (
    Distinct,
    Moments,
    Reservoir,
    RunningDistinct,
    merge,
    merge_distinct,
    merge_samples,
    reservoir,
)
from fullrank.stats.sketch.apart import Samples
from fullrank.stats.sketch.bulk import Bulk, RunningBulk, group_count, merge_bulks, moments_bytes
from fullrank.stats.sketch.kept import VECTORS, VERSION, Sketch
from fullrank.stats.sketch.memory import require_memory
from fullrank.stats.sketch.twins import Twin, twin
from fullrank.stats.sketch.zeros import Zeros, add_zeros, alone, both_met, in_turn, merge_zeros, no_zeros

SAMPLE = 8192  # rows for what looks at pairs
_ANY = 2**25  # bytes that any diagnosis takes
HASHES = 2**20  # different rows that are counted exactly
_SAMPLED, _HASHED = 2, 3  # streams of random keys; 1 deals units into groups


def sketch(
    chunks: Iterable[Tensor],
    *,
    n: int | None = None,
    start: int = 0,
    units: Tensor | None = None,
    sample: int = SAMPLE,
    seed: int = 0,
) -> Sketch:
    """The sketch of chunks of rows, each read once; memory is G x D x D, the sample and the hashes.

    Nothing is D x D if there are fewer rows than dimensions and all of them fit the sample.

    Args:
        chunks: Rows (n, D), or (V, n, D) with V views.
        n: Number of samples in all chunks, where it is known, so that memory is checked before any is taken.
        start: Number of the first sample among all, if these are only a part.
        units: Codes (N,) of what was sampled independently (donors, documents), of all samples; groups are then made
            of whole units, and each sample is one where there are none.
        sample: Most samples that are kept.
        seed: Decides the sample and the groups.

    Raises:
        UserError: There is no row, the width changes, a value is not finite (with the number of its row), or memory is
            short.

    >>> z = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    >>> whole = sketch([z])
    >>> parts = merge_sketches(sketch([z[600:]], start=600), sketch([z[:100], z[100:600]]))
    >>> whole.n, parts.n, torch.allclose(whole.total.scatter, parts.total.scatter, rtol=1e-12)
    (1000, 1000, True)
    """
    made: Sketch | None = None
    running: RunningBulk | None = None
    units = None if units is None else in_turn(units, seed)
    met = None if units is None else torch.zeros(len(units), dtype=torch.bool)
    distinct, at, seen = RunningDistinct(size=HASHES, seed=seed + _HASHED), start, 0
    for chunk in chunks:
        z = chunk.detach() if chunk.ndim == 3 else chunk.detach()[None]
        samples = z.shape[1]
        if samples == 0:
            continue
        if made is None or n is None:
            _require_room(z, n or seen + samples, sample, made, running)
        made = made or _nothing(z, sample, seed)
        views, dims = made.drawn.rows.shape[1:]
        _check(z, views, dims, at)
        index = torch.arange(at, at + samples)
        at += samples
        own = alone(index, seed) if units is None else units[index]
        made, some = _apart_from_zeros(made, z, Samples(index, z.transpose(0, 1), own))
        distinct.add(some.rows[:, 0])
        if met is not None:
            met[some.units] = True
        seen += len(some.index)
        if running is None and not _fits(seen, views, dims, sample):
            running = RunningBulk(views, dims, z.device)
            running.add(made.all_drawn)
        if running is not None:
            running.add(some)
        made = _with(made, some)
    if made is None:
        raise UserError("There is no embedding to look at: pass at least one row.")
    return replace(made, hashes=distinct.result(), bulk=None if running is None else running.result(), met=met)


def merge_sketches(a: Sketch, b: Sketch) -> Sketch:
    """The sketch of the samples of both, which must have different numbers, the same width and the same seed."""
    (views, dims), other = a.drawn.rows.shape[1:], b.drawn.rows.shape[1:]
    if other[1] != dims:
        raise UserError(f"The sketches are of {dims} and {other[1]} dimensions: merge those of one model.")
    if other[0] != views:
        raise UserError(f"The sketches are of {views} and {other[0]} views: merge those of equally many.")
    drawn, units = _merged(a.drawn, a.drawn_units, b.drawn, b.drawn_units)
    hashes = merge_distinct(a.hashes, b.hashes)
    few = a.bulk is None and b.bulk is None and _fits(hashes.n, views, dims, drawn.size)
    return Sketch(
        drawn=drawn,
        drawn_units=units,
        bulk=None if few else merge_bulks(_bulk(a), _bulk(b)),
        zeros=merge_zeros(a.zeros, b.zeros),
        hashes=hashes,
        met=both_met(a.met, b.met),
    )


def load_sketch(path: Path) -> Sketch:
    """Read a sketch that `Sketch.save` wrote, of version 0.1.0 too; a file that is not one raises a UserError."""
    try:
        return _read(read_npz(path))
    except DAMAGE as error:
        raise UserError(f"{path} is not a sketch ({error}): pass a file that Sketch.save wrote.") from None


def _nothing(z: Tensor, sample: int, seed: int) -> Sketch:
    """The moments of no sample, for views like those of z (V, n, D)."""
    index = torch.zeros(0, dtype=torch.int64)
    drawn = Reservoir(sample, seed + _SAMPLED, index, z.transpose(0, 1)[:0].clone())
    hashes = RunningDistinct(size=HASHES, seed=seed + _HASHED).result()
    return Sketch(drawn, index, None, no_zeros(sample, seed + _SAMPLED), hashes)


def _apart_from_zeros(made: Sketch, z: Tensor, some: Samples) -> tuple[Sketch, Samples]:
    """The samples that have a view (V, n, D) other than zero; the numbers of the others are noted."""
    zero = (z[0, :, 0] == 0).cpu()  # most rows need no further look
    zero[zero.clone()] = (z[:, zero.to(z.device)] == 0).all(2).all(0).cpu()
    if not bool(zero.any()):
        return made, some
    zeros = add_zeros(made.zeros, some.index[zero], some.units[zero])
    return replace(made, zeros=zeros), some.take(~zero)


def _fits(n: int, views: int, dims: int, sample: int) -> bool:
    """Whether n samples all fit the sample, and are fewer rows than dimensions."""
    return n <= sample and n * views < dims


def diagnosis_bytes(n: int, views: int, dims: int, sample: int = SAMPLE, item: int = 4) -> int:
    """Memory that a diagnosis of n samples takes in addition to them, by measurement; item: bytes of their numbers.

    It takes the sample, which is copied where it is merged; moments of each group and of all, as wide as the rows or,
    for fewer rows than dimensions, as their number; and either three matrices as large to work on, or 6 copies of the
    rows whose pairs are looked at and 7 of the matrix of their distances.

    >>> diagnosis_bytes(500, 1, 20_000) / 2**20, diagnosis_bytes(10_000, 1, 2048) / 2**20
    (564.2..., 864.0)
    """
    kept, pairs = min(n, sample) * views, min(n, 2048)
    few = _fits(n, views, dims, sample)
    wide = kept + 1 if few else dims
    square = wide * wide
    rows = max(4 * kept, 6 * pairs) if few else 6 * pairs
    work = max(3 * square, rows * dims + 7 * pairs * pairs)
    return _ANY + (1 if few else 3) * kept * dims * item + 8 * ((group_count(wide) + 2) * square + work)


def _require_room(z: Tensor, n: int, sample: int, made: Sketch | None, running: RunningBulk | None) -> None:
    """Raise a UserError if a diagnosis of n samples like those of a chunk z (V, m, D) takes too much memory."""
    views, dims = z.shape[0], z.shape[2]
    taken = 0 if made is None else made.drawn.rows.nbytes
    taken += 0 if running is None else moments_bytes(dims)
    wanted = diagnosis_bytes(n, views, dims, sample, z.element_size())
    remedy = (
        "pass fewer dimensions, by PCA or a random projection for example, or fewer rows than dimensions and at most "
        f"{sample:,}, of which nothing is as large as the square of the dimensions"
    )
    if _fits(n, views, dims, sample):
        remedy = "pass fewer rows, or fewer dimensions, by a random projection for example"
    require_memory(wanted - taken, f"A diagnosis of {n:,} rows of {dims:,} dimensions", remedy, z.device)


def _with(made: Sketch, some: Samples) -> Sketch:
    """The sketch with more samples in its sample."""
    part, own = (
        reservoir(x, size=made.drawn.size, seed=made.drawn.seed, index=some.index) for x in (some.rows, some.units)
    )
    drawn, units = _merged(made.drawn, made.drawn_units, part, own.rows)
    return replace(made, drawn=drawn, drawn_units=units)


def _merged(a: Reservoir, of_a: Tensor, b: Reservoir, of_b: Tensor) -> tuple[Reservoir, Tensor]:
    units = merge_samples(replace(a, rows=of_a), replace(b, rows=of_b)).rows
    return merge_samples(a, b), units


def _bulk(made: Sketch) -> Bulk:
    if made.bulk is not None:
        return made.bulk
    views, dims = made.drawn.rows.shape[1:]
    running = RunningBulk(views, dims, made.drawn.rows.device)
    running.add(made.all_drawn)
    return running.result()


def _read(arrays: Mapping[str, NDArray[Any]]) -> Sketch:
    version = int(arrays["version"]) if "version" in arrays else 1
    if version > VERSION:
        raise ValueError(f"it is of a newer version of FullRank, format {version}")
    size, seed, n, most, hash_seed, inside = (int(number) for number in arrays["numbers"])
    some = _samples(arrays, "")
    drawn = Reservoir(size, seed, some.index, some.rows)
    hashes = Distinct(n, most, hash_seed, arrays["hashes"], arrays.get("hash_counts"))  # files of 0.2.0 have no counts
    if version == 1:
        return _old(Sketch(drawn, some.units, None, no_zeros(size, seed), hashes), inside, arrays)
    counts, first, index, groups = (
        torch.from_numpy(arrays[f"zero_{x}"]) for x in ("counts", "first", "index", "groups")
    )
    zeros = Zeros(counts, first, Reservoir(size, seed, index, groups), inside)
    bulk = None
    if "triangles" in arrays:
        bulk = Bulk(_twins(arrays), _samples(arrays, "held_"))
    elif "raw_n" in arrays:  # of version 2 of the file
        bulk = Bulk(tuple(map(twin, _moments(arrays, "raw"), _moments(arrays, "unit"))), _samples(arrays, "held_"))
    met = torch.from_numpy(arrays["met"]) if "met" in arrays else None  # files of 0.2.0 have none
    return Sketch(drawn, some.units, bulk, zeros, hashes, met)


def _old(made: Sketch, inside: int, arrays: Mapping[str, NDArray[Any]]) -> Sketch:
    """A sketch of version 0.1.0, which has every row in its moments; it is made anew if its sample holds all rows."""
    some, (views, dims) = made.all_drawn, made.drawn.rows.shape[1:]
    if made.hashes.n > len(some.index):
        count = group_count(dims)
        raw, unit = (
            tuple(reduce(merge, own[at::count]) for at in range(count))
            for own in (_moments(arrays, "raw"), _moments(arrays, "unit"))
        )
        zeros = replace(made.zeros, inside=inside)
        return replace(made, bulk=Bulk(tuple(map(twin, raw, unit)), some.take(some.index < 0)), zeros=zeros)
    made, some = _apart_from_zeros(made, some.rows.transpose(0, 1), some)
    distinct = RunningDistinct(size=made.hashes.size, seed=made.hashes.seed)
    distinct.add(some.rows[:, 0])
    drawn = replace(made.drawn, index=some.index, rows=some.rows)
    made = replace(made, drawn=drawn, drawn_units=some.units, hashes=distinct.result())
    return made if _fits(len(some.index), views, dims, drawn.size) else replace(made, bulk=_bulk(made))


def _samples(arrays: Mapping[str, NDArray[Any]], prefix: str) -> Samples:
    return Samples(*(torch.from_numpy(arrays[f"{prefix}{name}"]) for name in ("index", "rows", "groups")))


def _moments(arrays: Mapping[str, NDArray[Any]], kind: str) -> tuple[Moments, ...]:
    parts = (torch.as_tensor(arrays[f"{kind}_{part}"]) for part in ("n", "mean", "scatter", "cubic", "quartic"))
    return tuple(Moments(int(n), *rest) for n, *rest in zip(*parts, strict=True))


def _twins(arrays: Mapping[str, NDArray[Any]]) -> tuple[Twin, ...]:
    counts, triangles = arrays["counts"].tolist(), torch.from_numpy(arrays["triangles"])
    raw, unit = (
        zip(*(torch.from_numpy(arrays[f"{kind}_{part}"]) for part in VECTORS), strict=True) for kind in ("raw", "unit")
    )
    return tuple(map(Twin, counts, triangles, raw, unit))


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
