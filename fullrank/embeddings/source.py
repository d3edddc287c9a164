"""What every reader of embeddings answers, and the checks that they share. Nothing here, or read, is ever executed."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import math
import re
import textwrap
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor

from fullrank.errors import UserError, suggest

CHUNK = 2**26  # bytes of one chunk
LONGEST = 2**26  # numbers of one row
LINE = 2**24  # characters of one line of text: about a million numbers
MOST = 2**30  # bytes of one column of labels


_RANGE = 1e70  # up to its fourth power, which kurtosis takes, float64 holds it
_BROKEN = (
    *(OSError, ValueError, TypeError, KeyError, MemoryError, NotImplementedError, EOFError),
    *(RecursionError, OverflowError, zlib.error, csv.Error, SafetensorError),
)  # what reading a broken file raises


@dataclass(frozen=True, eq=False)
class EmbeddingFile:
    """A matrix of embeddings that is read in chunks: n rows (None if they must be counted by reading) of `dims`."""

    name: str
    """The path as it was passed."""
    n: int | None
    """Rows; None if they must be counted by reading."""
    dims: int
    """Dimensions."""
    dtype: str
    """Type of the numbers in the file."""
    read: Callable[[int, int | None], Iterator[Tensor]]
    """Chunks (m, dims) of the rows from a start up to a stop (None: to the end), floating-point, on the CPU."""
    columns: str = ""
    """Which columns of a table, or which files, hold the dimensions."""
    left_out: tuple[str, ...] = ()
    """What the file holds that could be taken for dimensions and was not, each with the reason."""
    parts: tuple[tuple[str, int | None], ...] = ()
    """The files that it is made of, as they are named to be opened alone, and the rows of each."""

    def read_as(self, rows: int) -> str:
        """One sentence about what was read, and what was left out."""
        columns = f", from {self.columns}" if self.columns else ""
        left = f"; left out: {', '.join(self.left_out)}" if self.left_out else ""
        size = f"{rows:,} row{'s' * (rows != 1)} of {self.dims:,} dimension{'s' * (self.dims != 1)}"
        return f"Read {self.name}: {size} ({self.dtype}){columns}{left}."


def floating(name: str, dtype: str) -> None:
    """Refuse a dtype, written as numpy or torch does, that is neither real floating-point numbers nor int8."""
    if "complex" in dtype:
        raise UserError(f"{name} holds complex numbers ({dtype}): pass their real parts or their magnitudes.")
    if dtype == "int8":
        return  # a vector database's; a common scale changes no verdict
    if re.match(r"q?u?int\d", dtype) or dtype == "bool":
        raise UserError(f"{name} holds {dtype}: pass floating-point embeddings (de-quantize them first).")
    if not re.match(r"b?float\d", dtype):
        raise UserError(f"{name} holds {dtype}, no numbers: pass a matrix of floating-point embeddings.")


def matrix(name: str, shape: Sequence[int]) -> tuple[int, int]:
    """Rows and dimensions of a matrix of embeddings; raises UserError for any other shape."""
    size = tuple(int(side) for side in shape)
    if len(size) != 2:
        more = "save one embedding per row" if len(size) < 2 else "pool or flatten it to one embedding per row"
        raise UserError(f"{name} has the shape {size}: {more}, as (samples, dimensions).")
    if 0 in size:
        raise UserError(f"{name} is empty, its shape is {size}: pass at least one row of at least one number.")
    if size[1] > LONGEST:
        raise UserError(f"{name} has rows of {size[1]:,} numbers, more than any embedding: check what it is.")
    return size


def equally_wide(
    name: str, widths: Sequence[int] | NDArray[np.generic], dims: int | None = None, places: Sequence[str] = ()
) -> int:
    """How many numbers each row has: dims, or as many as the first.

    Raises UserError, with its place, for a row of others.

    >>> equally_wide("z.jsonl", [2, 3], places=["line 1", "line 2"])
    Traceback (most recent call last):
    fullrank.errors.UserError: z.jsonl is ragged: line 2 has 3 numbers, the first has 2.
    """
    found = np.asarray(widths)
    width = dims if dims is not None else int(found[0]) if len(found) else 0
    if (found != width).any():
        odd = int((found != width).argmax())
        where = places[odd] if places else "a row"
        raise UserError(f"{name} is ragged: {where} has {found[odd]} numbers, the first has {width}.")
    if width == 0:
        raise UserError(f"{name} holds empty lists: pass at least one number per row.")
    return width


def whole(said: str, values: NDArray[Any], kind: torch.finfo | None = None) -> NDArray[Any]:
    """Labels, of which whole numbers that are kept as floats, or were of a narrower kind, become whole numbers.

    Raises UserError, that begins as `said`, if ids fall together in these floats.

    >>> whole("x.npy holds", np.array([1.0, 0.0])), whole("x.npy holds", np.array([0.5, 0.0]))
    (array([1, 0]), array([0.5, 0. ]))
    """
    if not are_whole(values):
        return values
    if is_coarse(values, kind):
        held = kind.dtype if kind else values.dtype
        raise UserError(f"{said} ids that are too large for {held}: write them as text.")
    return values.astype(np.int64)


def as_labels(said: str, column: Tensor) -> NDArray[Any]:
    """A tensor of labels for numpy, which lacks some floats; raises UserError as `whole`."""
    if column.is_floating_point() and column.dtype not in (torch.float16, torch.float32, torch.float64):
        return whole(said, column.double().numpy(force=True), torch.finfo(column.dtype))
    return column.numpy(force=True)


def are_whole(values: NDArray[Any]) -> bool:
    """Whether values are floats without a fraction."""
    return values.dtype.kind == "f" and bool((np.isfinite(values) & (values == np.round(values))).all())


def is_coarse(values: NDArray[Any], kind: torch.finfo | None = None) -> bool:
    """Whether some numbers are so large that whole ones beside them are the same float."""
    return bool((np.abs(values) >= 2.0 / float((kind or np.finfo(values.dtype)).eps)).any())


def small(name: str, shape: Sequence[int], itemsize: int) -> None:
    """Raise a UserError for what is too large for a column of labels."""
    if math.prod(shape) * itemsize > MOST:
        raise UserError(f"{name} has the shape {tuple(shape)}: pass a column of at most a gigabyte.")


def rows_at_once(dims: int, itemsize: int) -> int:
    """How many rows a chunk has."""
    return max(1, CHUNK // (dims * itemsize))


def from_slices(
    name: str, shape: Sequence[int], dtype: str, itemsize: int, take: Callable[[int, int], NDArray[np.generic] | Tensor]
) -> EmbeddingFile:
    """A file whose rows can be taken from anywhere: `take(first, last)` reads some of them."""
    floating(name, dtype)
    n, dims = matrix(name, shape)

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        step, end = rows_at_once(dims, itemsize), n if stop is None else min(stop, n)
        for first in range(start, end, step):
            yield tensor(take(first, min(first + step, end)))

    return EmbeddingFile(name, n, dims, dtype, read)


def tensor(rows: NDArray[np.generic] | Tensor) -> Tensor:
    """Floating-point rows as a tensor of their own, in a byte order and a width that torch knows."""
    if isinstance(rows, Tensor):
        narrow = rows.dtype == torch.int8 or (rows.dtype.is_floating_point and rows.dtype.itemsize == 1)
        return rows.float() if narrow else rows
    if rows.dtype == np.int8:
        return torch.from_numpy(rows.astype(np.float32))
    known = rows.dtype if rows.dtype.itemsize <= 8 else np.dtype(np.float64)
    return torch.from_numpy(np.array(rows, dtype=known.newbyteorder("=")))


def measurable(rows: Tensor, name: str) -> Tensor:
    """The rows.

    Raises UserError if their squares would leave the range of float64, so that spread would be 0 or infinite.
    """
    if rows.dtype != torch.float64:
        return rows  # no square of a narrower number leaves it
    sizes = torch.linalg.vector_norm(rows, torch.inf, dim=-1)
    largest = float(sizes.max())
    if _RANGE >= largest >= 1 / _RANGE:  # a few rows may vanish beside the others, and most may not
        largest = float(sizes[sizes > 0].median())
    if _RANGE < largest < float("inf") or 0 < largest < 1 / _RANGE:
        raise UserError(
            f"There are numbers of the size of {largest:.0e} in {name}, whose squares overflow or vanish: rescale them."
        )
    return rows


def pick(name: str, key: str | None, keys: Sequence[str], suitable: Sequence[str] | None = None) -> str:
    """The entry that `file::key` names, in full or by its end; without a key the only one that is suitable."""
    listed = textwrap.shorten(", ".join(str(entry)[:60] for entry in keys[:12]), 200, placeholder=" ...")
    listed += ", ..." if len(keys) > 12 else ""
    if not keys:
        raise UserError(f"{name} holds nothing that can be read: check what was saved in it.")
    if key is None:
        candidates = list(keys if suitable is None else suitable)
        if not candidates and len(keys) == 1:
            return keys[0]  # its reader says what is wrong with it
        if len(candidates) == 1:
            return candidates[0]
        raise UserError(f"{name} holds {listed}: say which one, as in {name}::{(candidates or ['KEY'])[0][:100]}.")
    if key in keys:
        return key
    ends = [entry for entry in keys if entry.endswith(f".{key}") or entry.endswith(f"/{key}")]
    if len(ends) == 1:
        return ends[0]
    raise UserError(f"{name} has no {key}: {suggest(key, keys, otherwise=f'it holds {listed}.')}")


def ending(path: Path) -> str:
    """The kind of a file by its name, which may end in .gz.

    >>> ending(Path("Z.CSV")), ending(Path("z.csv.gz"))
    ('.csv', '.csv')
    """
    packed = path.suffix.lower() == ".gz"
    return (path.with_suffix("") if packed else path).suffix.lower()


def opened(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked as they are read if it ends in .gz."""
    return cast(IO[bytes], gzip.open(path, "rb")) if path.suffix.lower() == ".gz" else path.open("rb")


def need(package: str, name: str) -> None:
    """Raise a UserError if a package that reads this file is not installed."""
    if importlib.util.find_spec(package) is None:
        raise UserError(f"Reading {name} needs {package}: pip install 'fullrank[files]'.")


@contextmanager
def damage(name: str, kind: str) -> Iterator[None]:
    """Turn what a broken file raises into one sentence."""
    try:
        yield
    except _BROKEN as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{name} is not {kind}, or it is damaged ({first}): write it again.") from None
