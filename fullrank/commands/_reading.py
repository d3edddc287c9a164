"""A file of embeddings as chunks of views, with its progress shown when it takes more than two seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from fullrank.embeddings import EmbeddingFile, open_embeddings
from fullrank.embeddings.arrays import require_classes
from fullrank.embeddings.columns import Column, open_column
from fullrank.embeddings.files import ENDINGS
from fullrank.embeddings.source import ending
from fullrank.errors import UserError
from fullrank.stats.sketch import Sketch, sketch
from fullrank.terminal import say, watched


def read_sketch(
    spec: str,
    console: Console,
    *,
    views: int = 1,
    labels: str | None = None,
    groups: str | None = None,
    seed: int = 0,
    on: str | None = None,
) -> tuple[EmbeddingFile, Sketch, Column | None]:
    """A file with what was read of it, its sketch, and its labels; groups are of what was sampled independently.

    The rows are `views` blocks of equal length, one per view. A UserError is raised if that does not divide the rows,
    or if there are not as many labels or groups as samples. `on` is the cluster that reads the shards.
    """
    if views < 1:
        raise UserError(f"--views {views} is too small: pass 1 or more.")
    if views > 1 and spec == "-":
        raise UserError("Standard input is read once, so it cannot hold several views: save it to a file.")
    if on is not None and (views > 1 or groups is not None or spec == "-"):
        raise UserError("--on reads shards apart: leave out --views and --groups, and pass files in place of -.")
    without = [column for column in (labels, groups) if column]
    file = open_embeddings(spec, without=without)
    n = _samples(file, views) if views > 1 or labels or groups else file.n
    named = _column(labels, "labels", n) if labels else None
    units = _column(groups, "groups", n) if groups else None
    if on is not None:
        from fullrank.clusters.shards import sketch_on

        found = sketch_on(on, file, partial(say, console), without=without, seed=seed)
    else:
        chunks = file.read(0, None) if views == 1 or n is None else stacked(file, n, views)
        shown = watched(chunks, n, f"Reading {file.name}", "rows", console=console, size=lambda chunk: chunk.shape[-2])
        found = sketch(shown, n=n, units=None if units is None else units.codes, seed=seed)
    if file.columns or file.left_out or file.dtype == "int8":  # name, rows and dimensions head every report
        say(console, said_of(file, found))
    return file, found, named


def said_of(file: EmbeddingFile, found: Sketch) -> str:
    """What was read, in one sentence; the rows are all of the file, whether or not the sketch leaves some out."""
    return file.read_as(found.n + found.left_out * found.sample.rows.shape[1])


def stacked(file: EmbeddingFile, n: int, views: int) -> Iterator[Tensor]:
    """Chunks (V, m, D) of a file whose rows are V blocks of n, one per view."""
    others = [_Rows(file.read(at * n, (at + 1) * n)) for at in range(1, views)]
    for first in file.read(0, n):
        yield torch.stack([first, *(other.take(len(first)) for other in others)])


class _Rows:
    """Rows of chunks, taken in other portions than they come in."""

    def __init__(self, chunks: Iterator[Tensor]) -> None:
        self.chunks = chunks
        self.left: Tensor | None = None

    def take(self, count: int) -> Tensor:
        parts = [] if self.left is None else [self.left]
        while sum(map(len, parts)) < count:
            parts.append(next(self.chunks))
        rows = torch.cat(parts)
        self.left = rows[count:]
        return rows[:count]


def _samples(file: EmbeddingFile, views: int) -> int:
    rows = file.n if file.n is not None else sum(len(chunk) for chunk in file.read(0, None))
    if rows % views:
        raise UserError(f"{file.name} has {rows} rows, which are not {views} views of equal length: check --views.")
    return rows // views


def _column(spec: str, what: str, n: int | None) -> Column:
    column = open_column(spec)
    if len(column.codes) != n:
        raise UserError(f"{spec} holds {len(column.codes)} {what} for {n} samples: pass one per sample, in order.")
    if what == "labels":
        require_classes(column.codes, spec, "--labels")
    return column


def stem(source: str) -> str:
    """A name for a folder that is made of embeddings, of a run or of an encoder.

    >>> stem("a/b/z.npy"), stem("ckpt.pt::item.weight"), stem("parts/*.parquet"), stem("-"), stem("z.csv.gz")
    ('z', 'ckpt', 'parts', 'stdin', 'z')
    >>> stem("runs/byol-tau0.99/"), stem("timm:resnet18.a1_in1k"), stem("runs/intl/encoder.safetensors")
    ('byol-tau0.99', 'timm-resnet18.a1_in1k', 'intl')
    """
    if source == "-":
        return "stdin"
    path = Path(os.path.abspath(source.partition("::")[0]))  # . and .. have no name of their own
    if any(letter in path.name for letter in "*?[") or path.name == "encoder.safetensors":
        path = path.parent
    name = (path.stem if path.suffix.lower() == ".gz" else path.name).replace(":", "-")
    kind = ending(Path(name))
    return name[: -len(kind)] if kind in ENDINGS else name
