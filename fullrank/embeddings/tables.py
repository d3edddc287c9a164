"""Readers of .parquet, .arrow, .feather, .csv, .tsv and .txt: a column of lists, or columns of numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from torch import Tensor

from fullrank.embeddings.arrow.bodies import refuse_bombs
from fullrank.embeddings.arrow.footers import groups_of
from fullrank.embeddings.delimited import delimited, layout
from fullrank.embeddings.plain_text import read_spaced
from fullrank.embeddings.source import LONGEST, EmbeddingFile, damage, ending, equally_wide, need, rows_at_once, tensor
from fullrank.embeddings.table_columns import Choice, choose, is_text, item_of, listed, parsed
from fullrank.errors import UserError
from fullrank.runs.arrays import is_bomb


def read_parquet(path: Path, key: str | None, without: Collection[str] = ()) -> EmbeddingFile:
    """A column of lists of a parquet file, row group by row group, or its columns of floats."""
    return parquet(str(path), lambda: str(path), key, without)


def parquet(
    name: str, opened: Callable[[], str | IO[bytes]], key: str | None, without: Collection[str] = ()
) -> EmbeddingFile:
    """The same of a path, or of anything that can be sought in."""
    need("pyarrow", name)
    from pyarrow.parquet import ParquetFile

    with damage(name, "a parquet file"):
        at_once = _rows_at_once(name, opened())
        file = ParquetFile(opened())
        first = _first(name, file.iter_batches(min(64, at_once)))

        def again(columns: list[str]) -> Iterator[Any]:
            batches: Iterator[Any] = ParquetFile(opened()).iter_batches(at_once, columns=columns)
            return batches

        found = choose(name, first, again, key, without)
        return _from_batches(name, found, first, file.metadata.num_rows, lambda: again(list(found.columns)))


def _rows_at_once(name: str, source: str | IO[bytes]) -> int:
    """How many rows of a parquet file are unpacked together, by what its footer says of them.

    Raise a UserError for rows too long, and for a bomb.
    """
    longest = 1.0
    with Path(source).open("rb") if isinstance(source, str) else source as file:
        groups = groups_of(file)
    for group in groups:
        if is_bomb(group.packed, group.whole):
            raise UserError(
                f"{name} unpacks from {group.packed:,} to {group.whole:,} bytes: if it is meant, write it uncompressed."
            )
        longest = max(longest, group.values / max(group.rows, 1))
    if longest > LONGEST:
        raise UserError(f"{name} has rows of {longest:,.0f} values, more than any embedding: check what it is.")
    return min(4096, rows_at_once(max(1, round(longest)), 8))


def read_arrow(path: Path, key: str | None, without: Collection[str] = ()) -> EmbeddingFile:
    """The same of an Arrow IPC file or stream (.arrow, .feather)."""
    name = str(path)
    need("pyarrow", name)
    with damage(name, "an Arrow file"):
        first = _first(name, _arrow(path)[1])

        def again(columns: list[str]) -> Iterator[Any]:
            return (batch.select(columns) for batch in _arrow(path)[1])

        found = choose(name, first, again, key, without)
        return _from_batches(name, found, first, None, lambda: again(list(found.columns)))


def read_text(path: Path, key: str | None, without: Collection[str] = ()) -> EmbeddingFile:
    """The columns of numbers, or of vectors, of delimited text, or the numbers that are apart by white space."""
    name = str(path)
    need("pyarrow", name)
    with damage(name, "a table"):
        how = layout(path)
        if how.delimiter == " ":
            if key is not None:
                raise UserError(f"{name} holds numbers apart by spaces, without names: pass it without ::{key}.")
            return read_spaced(path, how)
        first = _first(name, iter(delimited(path, how)))

        def again(columns: list[str]) -> Iterator[Any]:
            return iter(delimited(path, how, columns))

        found = choose(name, first, again, key, without, text=True, named=how.named)
        words = is_text(first.schema.field(found.columns[0]).type)
        return _from_batches(name, found, first, None, lambda: iter(delimited(path, how, found.columns, words)))


def _first(name: str, batches: Iterator[Any]) -> Any:
    """The first batch that has rows."""
    for batch in batches:
        if len(batch):
            return batch
    raise UserError(f"{name} is empty: pass at least one row.")


def _arrow(path: Path) -> tuple[Any, Iterator[Any]]:
    import pyarrow
    from pyarrow import ipc

    source = pyarrow.memory_map(str(path))
    try:
        file = ipc.open_file(source)
    except pyarrow.ArrowInvalid:
        refuse_bombs(str(path), source, stream=True)
        source.seek(0)
        stream = ipc.open_stream(source)
        return stream.schema, iter(stream)
    refuse_bombs(str(path), source, stream=False)
    return file.schema, (file.get_batch(i) for i in range(file.num_record_batches))


def open_table(path: Path) -> tuple[Any, Iterator[Any]]:
    """Schema and record batches, as pyarrow has them, of a .parquet, .arrow, .feather, .csv or .tsv file."""
    from pyarrow.parquet import ParquetFile

    if ending(path) == ".parquet":
        at_once = _rows_at_once(str(path), str(path))
        file = ParquetFile(path)
        return file.schema_arrow, file.iter_batches(at_once)
    if ending(path) in (".arrow", ".feather"):
        return _arrow(path)
    table = delimited(path, layout(path))
    return table.schema, iter(table)


def _from_batches(name: str, found: Choice, first: Any, n: int | None, batches: Callable[[], Any]) -> EmbeddingFile:
    """A file of record batches that are read one after another; the first one says what they hold."""
    columns = found.columns
    known = _matrix(name, first, columns, None)
    dims = known.shape[1]

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        at = 0
        with damage(name, "a file"):
            for batch in batches():
                last = at + len(batch)
                low, high = max(start - at, 0), len(batch) if stop is None else min(stop - at, len(batch))
                if low < high:
                    yield tensor(_matrix(name, batch, columns, dims)[low:high])
                at = last

    return EmbeddingFile(name, n, dims, known.dtype.name, read, listed(columns), found.left_out)


def _matrix(name: str, batch: Any, columns: Sequence[str], dims: int | None) -> Any:
    """The numbers of a batch as (rows, dims)."""
    import pyarrow

    for column in columns:
        batch.column(column).validate(full=True)  # offsets of a broken file point anywhere
        if batch.column(column).null_count:
            raise UserError(f"{name}::{column} has missing values: leave these rows out.")
    if is_text(batch.column(columns[0]).type):
        return _parsed(f"{name}::{columns[0]}", batch.column(columns[0]), dims)
    if len(columns) > 1 or item_of(batch.column(columns[0]).type) is None:
        return np.stack([np.asarray(batch.column(column), dtype=np.float64) for column in columns], 1)
    lists = batch.column(columns[0])
    if isinstance(lists, pyarrow.ExtensionArray):
        lists = lists.storage
    items = lists.flatten()
    if items.null_count:
        raise UserError(f"{name}::{columns[0]} has missing numbers: leave these rows out.")
    if not pyarrow.types.is_fixed_size_list(lists.type):
        widths = np.asarray(lists.value_lengths())
    else:
        widths = np.full(len(lists), lists.type.list_size)
    return np.asarray(items).reshape(-1, equally_wide(f"{name}::{columns[0]}", widths, dims))


def _parsed(name: str, column: Any, dims: int | None) -> Any:
    """The numbers of a column of words such as "[0.1, 0.2]"."""
    rows = parsed(name, column.to_pylist())
    equally_wide(name, [len(row) for row in rows], dims)
    return np.array(rows)
