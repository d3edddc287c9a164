"""Readers of .parquet, .arrow, .feather, .csv, .tsv and .jsonl: a column of lists, or columns of numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from fullrank.embeddings.source import EmbeddingFile, floating, need, pick, rows_at_once, tensor
from fullrank.errors import UserError

_LINE = 2**24  # characters of one line of JSON: two million numbers


def read_parquet(path: Path, key: str | None) -> EmbeddingFile:
    """A column of lists of a parquet file, row group by row group, or its columns of floats."""
    return parquet(str(path), lambda: str(path), key)


def parquet(name: str, opened: Callable[[], str | IO[bytes]], key: str | None) -> EmbeddingFile:
    """The same of a path, or of anything that can be sought in."""
    need("pyarrow", name)
    from pyarrow.parquet import ParquetFile

    with damage(name, "parquet file"):
        file = ParquetFile(opened())
        columns = _columns(name, file.schema_arrow, key)
        rows = file.metadata.num_rows
        return _from_batches(name, columns, rows, lambda: ParquetFile(opened()).iter_batches(4096, columns=columns))


def read_arrow(path: Path, key: str | None) -> EmbeddingFile:
    """The same of an Arrow IPC file or stream (.arrow, .feather)."""
    name = str(path)
    need("pyarrow", name)
    with damage(name, "Arrow file"):
        columns = _columns(name, _arrow(path)[0], key)
        return _from_batches(name, columns, None, lambda: (batch.select(columns) for batch in _arrow(path)[1]))


def _arrow(path: Path) -> tuple[Any, Iterator[Any]]:
    import pyarrow
    from pyarrow import ipc

    source = pyarrow.memory_map(str(path))
    try:
        file = ipc.open_file(source)
        return file.schema, (file.get_batch(i) for i in range(file.num_record_batches))
    except pyarrow.ArrowInvalid:
        source.seek(0)
        stream = ipc.open_stream(source)
        return stream.schema, iter(stream)


def read_csv(path: Path, key: str | None) -> EmbeddingFile:
    """The columns of numbers of a .csv or .tsv, those whose name starts with the key if there is one."""
    name = str(path)
    need("pyarrow", name)
    with damage(name, "table"):
        schema = _csv(path).schema
        numbers = [field.name for field in schema if _is_float(field.type) or _is_int(field.type)]
        columns = [column for column in numbers if key is None or column == key or column.startswith(key)]
        if not columns:
            raise UserError(
                f"{name} has no column of numbers{f' named {key}...' if key else ''}: it has {schema.names[:12]}."
            )
        if not any(_is_float(schema.field(column).type) for column in columns):
            floating(name, "int64")
        return _from_batches(name, columns, None, lambda: (batch.select(columns) for batch in _csv(path)))


def _csv(path: Path) -> Any:
    """A stream of record batches; without a header if the first line has numbers only."""
    from pyarrow import csv

    with path.open(encoding="utf-8", errors="strict") as file:
        first = file.readline(_LINE)
    delimiter = "\t" if path.suffix == ".tsv" else ";" if first.count(";") > first.count(",") else ","
    bare = all(_is_number(cell.strip().strip('"')) for cell in first.rstrip("\r\n").split(delimiter))
    reading = csv.ReadOptions(autogenerate_column_names=bare)
    return csv.open_csv(path, read_options=reading, parse_options=csv.ParseOptions(delimiter=delimiter))


def open_table(path: Path) -> tuple[Any, Iterator[Any]]:
    """Schema and record batches, as pyarrow has them, of a .parquet, .arrow, .feather, .csv or .tsv file."""
    from pyarrow.parquet import ParquetFile

    if path.suffix.lower() == ".parquet":
        file = ParquetFile(path)
        return file.schema_arrow, file.iter_batches(4096)
    if path.suffix.lower() in (".arrow", ".feather"):
        return _arrow(path)
    table = _csv(path)
    return table.schema, iter(table)


def read_jsonl(path: Path, key: str | None) -> EmbeddingFile:
    """A list of numbers a line, or an object that holds one."""
    name = str(path)
    entry: str | None = None
    with damage(name, "file of JSON lines"), path.open(encoding="utf-8") as file:
        first = json_line(name, 1, file.readline(_LINE))
    if isinstance(first, dict):
        entry = pick(name, key, list(first), [place for place, value in first.items() if isinstance(value, list)])
        first = first[entry]
    elif key is not None:
        raise UserError(f"{name} holds a list a line, no objects: pass it without ::{key}.")
    dims = len(_numbers(name, 1, first))

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        with damage(name, "file of JSON lines"), path.open(encoding="utf-8") as file:
            lines = ((at, line) for at, line in enumerate(iter(lambda: file.readline(_LINE), "")) if line.strip())
            chosen = islice(lines, start, stop)
            while some := list(islice(chosen, rows_at_once(dims, 8))):
                rows = []
                for at, line in some:
                    value = json_line(name, at + 1, line)
                    row = _numbers(name, at + 1, value.get(entry) if isinstance(value, dict) and entry else value)
                    if len(row) != dims:
                        raise UserError(f"{name} is ragged: line {at + 1} has {len(row)} numbers, the first {dims}.")
                    rows.append(row)
                yield torch.tensor(rows, dtype=torch.float64)

    return EmbeddingFile(name, None, dims, "float64", read)


def json_line(name: str, line: int, text: str) -> Any:
    if len(text) >= _LINE:
        raise UserError(f"{name}: line {line} is longer than {_LINE} characters: write one embedding a line.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name}: line {line} is not JSON ({error}): write one embedding a line.") from None


def _numbers(name: str, line: int, value: Any) -> list[float]:
    if not isinstance(value, list) or not value or any(type(x) not in (int, float) for x in value):
        raise UserError(f"{name}: line {line} holds no flat list of numbers: write one embedding a line.")
    return value


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _is_float(kind: Any) -> bool:
    return str(kind) in ("float", "double", "halffloat")


def _is_int(kind: Any) -> bool:
    return "int" in str(kind)


def _item(kind: Any) -> Any:
    """The type of a list's items, or None."""
    return getattr(kind, "value_type", None)


def _columns(name: str, schema: Any, key: str | None) -> list[str]:
    """The column of lists, or the columns of floats that the key begins."""
    lists = [field.name for field in schema if _item(field.type) is not None]
    if key is None and not lists:
        floats = [field.name for field in schema if _is_float(field.type)]
        if floats:
            return floats
    if key is not None and key not in schema.names:
        begun = [field.name for field in schema if field.name.startswith(key) and _is_float(field.type)]
        if len(begun) > 1:
            return begun
    chosen = pick(name, key, schema.names, lists)
    kind = schema.field(chosen).type
    floating(f"{name}::{chosen}", _numpy_name(_item(kind) if _item(kind) is not None else kind))
    return [chosen]


def _numpy_name(kind: Any) -> str:
    return {"float": "float32", "double": "float64", "halffloat": "float16"}.get(str(kind), str(kind))


def _from_batches(name: str, columns: Sequence[str], n: int | None, batches: Callable[[], Any]) -> EmbeddingFile:
    """A file of record batches that are read one after another."""
    with damage(name, "file"):
        first = next((rows for batch in batches() if len(rows := _matrix(name, batch, columns, None))), None)
    if first is None:
        raise UserError(f"{name} is empty: pass at least one row.")
    dims = first.shape[1]

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        at = 0
        with damage(name, "file"):
            for batch in batches():
                last = at + len(batch)
                low, high = max(start - at, 0), len(batch) if stop is None else min(stop - at, len(batch))
                if low < high:
                    yield tensor(_matrix(name, batch, columns, dims)[low:high])
                at = last

    return EmbeddingFile(name, n, dims, first.dtype.name, read)


def _matrix(name: str, batch: Any, columns: Sequence[str], dims: int | None) -> Any:
    """The numbers of a batch as (rows, dims)."""
    import pyarrow

    for column in columns:
        if batch.column(column).null_count:
            raise UserError(f"{name}::{column} has missing values: leave these rows out.")
    if len(columns) > 1 or _item(batch.column(columns[0]).type) is None:
        return np.stack([np.asarray(batch.column(column), dtype=np.float64) for column in columns], 1)
    lists = batch.column(columns[0])
    if isinstance(lists, pyarrow.ExtensionArray):
        lists = lists.storage
    items = lists.flatten()
    if items.null_count:
        raise UserError(f"{name}::{columns[0]} has missing numbers: leave these rows out.")
    if not pyarrow.types.is_fixed_size_list(lists.type):
        lengths = np.asarray(lists.value_lengths())
        width = dims if dims is not None else int(lengths[0]) if len(lengths) else 0
        if (lengths != width).any():
            odd = int((lengths != width).argmax())
            raise UserError(f"{name}::{columns[0]} is ragged: a row has {lengths[odd]} numbers, the first {width}.")
    else:
        width = lists.type.list_size
    if width == 0:
        raise UserError(f"{name}::{columns[0]} holds empty lists: pass at least one number a row.")
    return np.asarray(items).reshape(-1, width)


@contextmanager
def damage(name: str, kind: str) -> Iterator[None]:
    """Turn what a broken file raises into one sentence."""
    try:
        yield
    except (OSError, ValueError, TypeError, KeyError, UnicodeDecodeError, MemoryError, NotImplementedError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{name} is no {kind}, or it is damaged ({first}): write it again.") from None
