"""Writers of embeddings: rows with their names and labels, streamed, to what the readers read; whole or not at all."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fullrank.errors import UserError
from fullrank.runs import full_disk_is_an_error, replace

Rows = NDArray[np.float32]
_ZARR_CHUNK = 4096  # rows
_NEEDS = {".parquet": "pyarrow", ".zarr": "zarr"}


@dataclass(frozen=True, eq=False)
class Table:
    """Embeddings (n, dims) as an iterator of rows, and what is known of each of the n: columns of words by name."""

    n: int
    dims: int
    rows: Callable[[], Iterator[Rows]]
    columns: Mapping[str, Sequence[str]]
    about: Mapping[str, Any]


def check_out(out: Path) -> None:
    """Raise a UserError unless embeddings can be written to a file of this name.

    >>> check_out(Path("z.txt"))
    Traceback (most recent call last):
    fullrank.errors.UserError: z.txt has an ending that embeddings cannot be written to: pass one of .npy, .parquet, ...
    """
    if out.suffix not in WRITERS:
        raise UserError(f"{out} has an ending that embeddings cannot be written to: pass one of {', '.join(WRITERS)}.")
    if not out.parent.is_dir():
        raise UserError(f"{out} cannot be written: name a file, in a folder that exists.")
    package = _NEEDS.get(out.suffix)
    if package is not None and importlib.util.find_spec(package) is None:
        raise UserError(f"Writing {out} needs {package}: pip install 'fullrank[files]', or pass a name with .npy.")


def rows_file(out: Path) -> Path | None:
    """Where the columns of a file that holds numbers alone are; None for one that holds them itself.

    >>> rows_file(Path("a/z.npy")).name, rows_file(Path("z.parquet"))
    ('z.rows.csv', None)
    """
    return None if out.suffix == ".parquet" else out.with_suffix(".rows.csv")


def write_embeddings(out: Path, table: Table) -> None:
    """Write a table by the ending of its file; what is not in the file itself is in NAME.rows.csv beside it."""
    check_out(out)
    if rows := rows_file(out):
        replace(rows, lambda beside: _csv(beside, table))
    beside = out.with_name(f".{out.name}.{os.getpid()}.part")
    with full_disk_is_an_error(out):
        try:
            WRITERS[out.suffix](beside, table)
            os.replace(beside, out)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
            if beside.is_file():
                beside.unlink()


def _csv(path: Path, table: Table) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows(zip(*table.columns.values(), strict=True))


def _npy(path: Path, table: Table) -> None:
    with path.open("wb") as file:
        head = {"descr": "<f4", "fortran_order": False, "shape": (table.n, table.dims)}
        npy.write_array_header_1_0(file, head)
        _numbers(file, table)


def _safetensors(path: Path, table: Table) -> None:
    size = 4 * table.n * table.dims
    tensor = {"dtype": "F32", "shape": [table.n, table.dims], "data_offsets": [0, size]}
    text = json.dumps({"__metadata__": {"fullrank": json.dumps(table.about)}, "embedding": tensor}).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        _numbers(file, table)


def _numbers(file: IO[bytes], table: Table) -> None:
    for rows in table.rows():
        file.write(np.ascontiguousarray(rows, dtype="<f4").tobytes())


def _parquet(path: Path, table: Table) -> None:
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    words = [(name, pyarrow.string()) for name in table.columns]
    schema = pyarrow.schema([*words, ("embedding", pyarrow.list_(pyarrow.float32(), table.dims))])
    schema = schema.with_metadata({"fullrank": json.dumps(table.about)})
    at = 0
    with ParquetWriter(path, schema) as writer:
        for rows in table.rows():
            here = [values[at : at + len(rows)] for values in table.columns.values()]
            numbers = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(rows.reshape(-1)), table.dims)
            cells = [pyarrow.array([value or None for value in values], pyarrow.string()) for values in here]
            writer.write_table(pyarrow.Table.from_arrays([*cells, numbers], schema=schema))
            at += len(rows)


def _zarr(path: Path, table: Table) -> None:
    import zarr

    group = zarr.open_group(str(path), mode="w")
    group.attrs["fullrank"] = dict(table.about)
    chunks = (min(_ZARR_CHUNK, table.n), table.dims)
    array = group.create_array("embedding", shape=(table.n, table.dims), chunks=chunks, dtype="float32")
    at = 0
    for rows in table.rows():
        array[at : at + len(rows)] = rows
        at += len(rows)


WRITERS: dict[str, Callable[[Path, Table], None]] = {
    ".npy": _npy,
    ".parquet": _parquet,
    ".safetensors": _safetensors,
    ".zarr": _zarr,
}
