"""Readers of one column: one class, donor or document per row, as numbers or names; broken files are one sentence.

A column is read whole, up to a gigabyte of it.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fullrank.embeddings.delimited import delimited, layout
from fullrank.embeddings.files import shards
from fullrank.embeddings.hdf5_zarr import Values, hdf5_column, zarr_column
from fullrank.embeddings.json_files import json_lines, json_whole
from fullrank.embeddings.numpy_files import damage as damaged
from fullrank.embeddings.numpy_files import header, member
from fullrank.embeddings.source import (
    MOST,
    are_whole,
    as_labels,
    damage,
    ending,
    is_coarse,
    need,
    opened,
    pick,
    small,
    whole,
)
from fullrank.embeddings.table_columns import is_index, is_int, is_text
from fullrank.embeddings.tables import open_table
from fullrank.embeddings.tensors import torch_columns
from fullrank.errors import UserError

_LINE = 2**16  # bytes of one label


@dataclass(frozen=True, eq=False)
class Column:
    """A column of labels or groups.

    Attributes:
        name: What was read.
        codes: Numbers (N,) from 0.
        names: What the codes stand for, in ascending order.
    """

    name: str
    codes: Tensor
    names: tuple[str, ...]


def open_column(spec: str) -> Column:
    """The column that `path`, `path::key`, a folder or a pattern names, as codes; no code in a file is ever run.

    Args:
        spec: `path`, `path::key`, a folder or a pattern.

    Raises:
        UserError: It is not a column of whole numbers or names; the sentence says what to pass.

    >>> open_column("nowhere.npy")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.npy: check the path.
    """
    place, _, key = spec.partition("::")
    parts = [_values(path, key or None) for path in shards(place, _READERS)]
    if len({part.dtype.kind in "US" for part in parts}) > 1:
        raise UserError(f"{spec} mixes names and numbers: write them all alike.")
    values = parts[0] if len(parts) == 1 else _joined(parts)
    if values.ndim == 2 and 1 in values.shape:
        values = values.reshape(-1)
    if values.ndim != 1 or len(values) == 0:
        raise UserError(f"{spec} has the shape {values.shape}: pass one whole number or name a row.")
    values = whole(f"{spec} holds", values)
    if values.dtype.kind not in "iubUS":
        raise UserError(f"{spec} holds {values.dtype}: pass whole numbers or names, one per row.")
    if values.dtype.kind in "US" and (empty := int((values == values.dtype.type()).sum())):
        raise UserError(f"{spec} has no name in {empty} of {len(values)} rows: every row needs one.")
    names, codes = np.unique(values, return_inverse=True)
    words = tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in names.tolist())
    return Column(spec, torch.from_numpy(codes.astype(np.int64)), words)


def _joined(parts: Sequence[Values]) -> Values:
    """Columns one after another; whole numbers of 64 bits with and without a sign stay what they are."""
    columns = [part.reshape(-1) for part in parts]
    if all(part.dtype.kind in "iub" for part in columns) and np.result_type(*columns).kind == "f":
        return _whole_numbers([number for part in columns for number in part.tolist()])
    return np.concatenate(columns)


def _whole_numbers(values: Sequence[int]) -> Values:
    """Whole numbers in 64 bits, or, where these do not hold all of them, as words.

    >>> _whole_numbers([1, 2**64 - 1]), _whole_numbers([-1, 2**63])
    (array([                   1, 18446744073709551615], dtype=uint64), array(['-1', '9223372036854775808'], ...))
    """
    low, high = min(values, default=0), max(values, default=0)
    if low >= -(2**63) and high < 2**63:
        return np.array(values)
    return np.array(values, np.uint64) if low >= 0 and high < 2**64 else np.array([*map(str, values)])


def _values(path: Path, key: str | None) -> Values:
    """What one file holds."""
    if not path.exists():
        way = "check the path" if path.suffix else f"a column of a table is named with its file, as in z.csv::{path}"
        raise UserError(f"There is no file {path}: {way}.")
    read = _READERS.get(ending(path))
    if read is None or (path.is_dir() and read is not zarr_column):
        raise UserError(f"{path} has an ending that labels cannot be read from: pass one of {', '.join(_READERS)}.")
    return read(path, key)


def _npy(path: Path, key: str | None) -> Values:
    if key is not None:
        raise UserError(f"{path} holds one array: pass it without ::{key}.")
    with path.open("rb") as file:
        shape, _, dtype = header(file, str(path))
        return _numbers(str(path), shape, dtype, path.stat().st_size - file.tell(), file.read)


def _npz(path: Path, key: str | None) -> Values:
    name = str(path)
    info = member(path, key, lambda shape, dtype: len(shape) == 1 and dtype.kind in "iubUS")
    with damaged(name), zipfile.ZipFile(path).open(info) as file:
        shape, _, dtype = header(file, name)
        return _numbers(name, shape, dtype, info.file_size, file.read)


def _numbers(name: str, shape: Sequence[int], dtype: np.dtype[Any], there: int, take: Callable[[int], bytes]) -> Values:
    expected = int(np.prod(shape, dtype=object)) * dtype.itemsize
    if expected > min(there, MOST):
        raise UserError(f"{name} is cut off, or too large for labels: its header promises {str(expected)[:30]} bytes.")
    data = take(expected)
    if len(data) < expected or dtype.itemsize == 0:
        raise UserError(f"{name} is cut off: its data end before its header says.")
    return np.frombuffer(data, dtype).reshape(shape)


def _table(path: Path, key: str | None) -> Values:
    """A column of a parquet, Arrow or CSV file."""
    name = str(path)
    need("pyarrow", name)
    import pyarrow
    from pyarrow.types import is_nested

    with damage(name, "a table"):
        schema, batches = open_table(path)
        types = {field.name: field.type for field in schema}
        named = [column for column in types if column] or list(types)  # nothing is named by file.csv::
        chosen = pick(name, key, named, [column for column in named if _is_label(column, types[column])])
        parts = []
        for batch in batches:
            column = batch.column(chosen)
            column.validate(full=True)  # offsets and indices of a broken file point anywhere
            if isinstance(column, pyarrow.DictionaryArray):
                column = column.dictionary_decode()
            if column.null_count:
                raise UserError(f"{name}::{chosen} has missing values: every row needs one.")
            if is_nested(column.type):
                held = " ".join(str(column.type).split())[:80]
                raise UserError(f"{name}::{chosen} holds {held}: pass whole numbers or names, one per row.")
            parts.append(_plain(column))
        values = np.concatenate(parts) if parts else np.zeros(0, np.int64)
        is_table = ending(path) in (".csv", ".tsv")
        return _from_text(path, chosen) if is_table and are_whole(values) and is_coarse(values) else values


def _from_text(path: Path, chosen: str) -> Values:
    """A column of text whose numbers no float holds, as whole numbers, or as the words that they are written in."""
    words = [word for batch in delimited(path, layout(path), (chosen,), words=True) for word in batch[0].to_pylist()]
    digits = all(word is not None and word.strip().lstrip("+-").isdigit() for word in words)
    return _whole_numbers([*map(int, words)]) if digits else np.array(words, dtype=np.str_)


def _is_label(column: str, kind: Any) -> bool:
    is_code = is_int(kind) or str(kind) == "bool" or str(kind).startswith("dictionary")
    return (is_code or is_text(kind)) and not is_index(column)


def _plain(column: Any) -> Values:
    words = is_text(column.type)
    return np.array(column.to_pylist(), dtype=np.str_) if words else np.asarray(column.to_numpy(zero_copy_only=False))


def _jsonl(path: Path, key: str | None) -> Values:
    with damage(str(path), "a file of JSON lines"), closing(json_lines(path)) as lines:
        return _alike(str(path), [_label(f"{path}: line {at}", value, key) for at, value in lines])


def _json(path: Path, key: str | None) -> Values:
    """A list of labels or of objects that hold one, an object that holds such a list, or labels by name."""
    name, content = str(path), json_whole(path)
    if isinstance(content, dict) and not all(isinstance(value, int | str) for value in content.values()):
        lists = [place for place, value in content.items() if isinstance(value, list)]
        place = next((one for one in lists if key and key.startswith(f"{one}.")), "") or pick(name, key, lists)
        content, key = content[place], (key or "").removeprefix(place).removeprefix(".") or None
    if isinstance(content, dict):
        content = list(content.values())
    if not isinstance(content, list):
        raise UserError(f'{name} holds no list of labels: write ["a", "b", ...], or one label per line (.txt).')
    return _alike(name, [_label(f"{name}: entry {at}", value, key) for at, value in enumerate(content)])


def _label(where: str, value: Any, key: str | None) -> int | str:
    """A label, or the one that an object holds."""
    if isinstance(value, dict):
        value = value[pick(where, key, list(value), [k for k, v in value.items() if isinstance(v, int | str)])]
    if not isinstance(value, int | str):
        raise UserError(f"{where} holds {json.dumps(value)[:40]}: pass a whole number or a name.")
    return value


def _text(path: Path, key: str | None) -> Values:
    """One name per line."""
    if key is not None:
        raise UserError(f"{path} holds one name per line: pass it without ::{key}.")
    with damage(str(path), "text"), opened(path) as file:
        lines = [line.decode("utf-8-sig").rstrip("\r\n") for line in iter(lambda: file.readline(_LINE), b"")]
    return np.array(lines, dtype=np.str_)


def _alike(name: str, values: Sequence[int | str]) -> Values:
    if len({isinstance(value, str) for value in values}) > 1:
        raise UserError(f"{name} mixes names and numbers: write them all alike.")
    numbers = [value for value in values if not isinstance(value, str)]
    return _whole_numbers(numbers) if numbers else np.array(values)


def _safetensors(path: Path, key: str | None) -> Values:
    name = str(path)
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {entry: file.get_slice(entry).get_shape() for entry in file.keys()}  # noqa: SIM118
            entry = pick(name, key, list(shapes), [entry for entry, shape in shapes.items() if len(shape) == 1])
            small(f"{name}::{entry}", shapes[entry], 8)
            return as_labels(f"{name}::{entry} holds", file.get_tensor(entry))
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{name} is not a .safetensors file, or it is damaged ({error}): write it again.") from None


def _torch(path: Path, key: str | None) -> Values:
    name, found = str(path), torch_columns(path)
    if not found:
        raise UserError(f"{name} holds no column: save the labels with torch.save(labels, file).")
    entry = pick(name, key, list(found))
    column = found[entry]
    if isinstance(column, list):
        return _alike(name, column)
    small(name, column.shape, 8)
    return as_labels(f"{name}::{entry} holds" if entry else f"{name} holds", column)


_READERS: dict[str, Callable[[Path, str | None], Values]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".parquet": _table,
    ".arrow": _table,
    ".feather": _table,
    ".csv": _table,
    ".tsv": _table,
    ".jsonl": _jsonl,
    ".json": _json,
    ".txt": _text,
    ".h5": hdf5_column,
    ".hdf5": hdf5_column,
    ".h5ad": hdf5_column,
    ".zarr": zarr_column,
    ".safetensors": _safetensors,
    ".pt": _torch,
    ".pth": _torch,
    ".ckpt": _torch,
}
