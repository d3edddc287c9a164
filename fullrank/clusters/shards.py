"""From a pattern of shards to one sketch: each shard is sketched where a cluster puts it, and the sketches merge."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fullrank.clusters.engines import engine
from fullrank.embeddings import EmbeddingFile, open_embeddings
from fullrank.embeddings.files import own_columns
from fullrank.errors import UserError
from fullrank.stats.sketch import Sketch, merge_sketches, sketch


@dataclass(frozen=True)
class Shard:
    """A file of embeddings: its rows, None where they are to be counted, and the number of the first among all.

    `without` are its columns that hold labels, and are never dimensions.
    """

    place: str
    rows: int | None
    start: int = 0
    without: tuple[str, ...] = ()


def sketch_on(
    cluster: str, file: EmbeddingFile, say: Callable[[str], None], *, without: Collection[str] = (), seed: int = 0
) -> Sketch:
    """The sketch of a file's shards, each made by a worker of a cluster: dask, ray, or either with :ADDRESS.

    It is that of one process but for the order of sums. A worker that is lost is replaced, and its shard sketched
    again, by the cluster. Raises UserError for what a worker cannot read, and where the cluster does not answer.

    >>> from fullrank.embeddings import open_embeddings
    >>> sketch_on("slurm", EmbeddingFile("z", 1, 1, "float32", lambda *_: iter(())), print)
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no cluster slurm: pass --on dask or --on ray, or either with :ADDRESS.
    """
    run = engine(cluster)
    found = parts(file, without)
    say(f"{file.name}: {len(found):,} shard{'' if len(found) == 1 else 's'}, each a task of {cluster}.")
    if any(shard.rows is None for shard in found):
        counted = run(count, found, None)
        found = [replace(shard, rows=_whole(rows)) for shard, rows in zip(found, counted, strict=True)]
    (made,) = run(_Sketching(seed), numbered(found), merged)
    whole: Sketch = _whole(made)
    return whole


def parts(file: EmbeddingFile, without: Collection[str]) -> list[Shard]:
    """The shards of a file, each with its own columns that are no dimensions."""
    paths = [place.partition("::")[0] for place, _ in file.parts]
    own = own_columns([*map(Path, paths)], without)
    return [
        Shard(place, rows, 0, tuple(f"{path}::{column}" for column in columns))
        for (place, rows), path, columns in zip(file.parts, paths, own, strict=True)
    ]


def numbered(found: Sequence[Shard]) -> list[Shard]:
    """Shards that know how many rows come before them.

    >>> [shard.start for shard in numbered([Shard("a", 3), Shard("b", 4), Shard("c", 1)])]
    [0, 3, 7]
    """
    starts = [0]
    for shard in found:
        starts.append(starts[-1] + (shard.rows or 0))
    return [replace(shard, start=start) for shard, start in zip(found, starts, strict=False)]


def count(shard: Shard) -> int | UserError:
    """How many rows a shard has; an error is handed on as a value, so that its text stays one sentence."""
    if shard.rows is not None:
        return shard.rows
    try:
        return sum(len(chunk) for chunk in open_embeddings(shard.place, without=shard.without).read(0, None))
    except UserError as error:
        return UserError(str(error))


@dataclass(frozen=True)
class _Sketching:
    """Sketches a shard; a class, since a cluster carries it to its workers."""

    seed: int

    def __call__(self, shard: Shard) -> Sketch | UserError:
        try:
            file = open_embeddings(shard.place, without=shard.without)
            return sketch(file.read(0, None), n=shard.rows, start=shard.start, seed=self.seed)
        except UserError as error:
            return UserError(str(error))


def merged(one: Sketch | UserError, other: Sketch | UserError) -> Sketch | UserError:
    """Both in one, or the first error."""
    for each in (one, other):
        if isinstance(each, UserError):
            return each
    assert isinstance(one, Sketch)
    assert isinstance(other, Sketch)
    return merge_sketches(one, other)


def _whole(made: Sketch | int | UserError) -> Any:
    if isinstance(made, UserError):
        raise made
    return made
