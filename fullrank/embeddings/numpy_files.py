"""Readers of .npy, .npz and a .npy on standard input. Headers are checked against the file before anything is read."""

from __future__ import annotations

import io
import math
import sys
import tempfile
import textwrap
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy
from torch import Tensor

from fullrank.embeddings.source import (
    CHUNK,
    EmbeddingFile,
    floating,
    from_slices,
    matrix,
    opened,
    pick,
    rows_at_once,
    tensor,
)
from fullrank.errors import UserError
from fullrank.runs.arrays import is_bomb

_PARSING = (SyntaxError, RecursionError, tokenize.TokenError)  # of a header, which is written as Python
_HEADER = 10_000  # bytes; numpy's own limit
_Header = tuple[tuple[int, ...], bool, np.dtype[np.generic]]
_Open = Callable[[], AbstractContextManager[IO[bytes]]]


def read_npy(path: Path, key: str | None) -> EmbeddingFile:
    """A .npy file, mapped and read in chunks."""
    name = str(path)
    if key is not None:
        raise UserError(f"{name} holds one array: pass it without ::{key}.")
    if path.suffix.lower() == ".gz":
        return stream(name, lambda: opened(path), None)
    with path.open("rb") as file:
        shape, fortran, dtype = header(file, name)
        offset = file.tell()
    expected, there = math.prod(shape) * dtype.itemsize, path.stat().st_size - offset
    if there < expected:
        raise UserError(f"{name} is cut off: its header promises {_short(expected)} bytes, there are {there}.")
    floating(name, dtype.name)
    matrix(name, shape)
    mapped = np.memmap(path, dtype, "r", offset, shape, "F" if fortran else "C")
    return from_slices(name, shape, dtype.name, dtype.itemsize, lambda first, last: mapped[first:last])


def read_npz(path: Path, key: str | None) -> EmbeddingFile:
    """One array of an .npz file, unpacked in chunks, never whole."""
    info = member(path, key, lambda shape, dtype: len(shape) == 2 and (dtype.kind == "f" or dtype == np.int8))
    array = f"{path}::{info.filename.removesuffix('.npy')}"
    return replace(stream(str(path), lambda: zipfile.ZipFile(path).open(info), info.file_size), name=array)


def member(
    path: Path, key: str | None, suitable: Callable[[tuple[int, ...], np.dtype[np.generic]], bool]
) -> zipfile.ZipInfo:
    """The member of an .npz that the key names, or the only suitable one; raises UserError for a bomb."""
    name = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            meant = [entry for entry in members if _is(suitable, archive, entry)]
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, zlib.error) as error:
        raise UserError(f"{name} is not an .npz file, or it is damaged ({error}): write it with numpy.savez.") from None
    info = members[pick(name, key, list(members), meant)]
    if is_bomb(info.compress_size, info.file_size):
        raise UserError(
            f"{name} unpacks from {info.compress_size} to {info.file_size} bytes: if it is meant, save it as .npy."
        )
    return info


def read_stdin() -> EmbeddingFile:
    """A .npy from standard input, read once."""
    name = "standard input"
    found = header(sys.stdin.buffer, name)
    return _rows(name, found, lambda: nullcontext(sys.stdin.buffer), None, skip_header=False)


def header(file: IO[bytes], name: str) -> _Header:
    """Shape, whether it is in Fortran's order, and dtype of a .npy file, which is then at its first number."""
    start = file.read(8)
    width = 2 if start[6:7] == b"\x01" else 4
    size = file.read(width)
    length = int.from_bytes(size, "little")
    if length > _HEADER:  # before anything of that length is read
        raise UserError(f"{name} is not an .npy file: it claims a header of {length} bytes; write it with numpy.save.")
    whole = io.BytesIO(start + size + file.read(length))
    try:
        version = npy.read_magic(whole)
        shape, fortran, dtype = (npy.read_array_header_1_0 if width == 2 else npy.read_array_header_2_0)(whole)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise ValueError(f"version {version}")
    except (*_PARSING, ValueError, EOFError, TypeError, MemoryError, OverflowError) as error:
        raise UserError(
            f"{name} is not an .npy file, or it is damaged ({_short(error)}): write it with numpy.save."
        ) from None
    if dtype.hasobject:
        raise UserError(f"{name} holds objects, which only unpickling could read: save a plain matrix of floats.")
    if dtype.names is not None and (vectors := [field for field in dtype.names if dtype[field].shape]):
        raise UserError(f"{name} is a structured array of {_fields(dtype)}: save one field, as z['{vectors[0]}'].")
    if dtype.names is not None:
        raise UserError(
            f"{name} is a structured array of {_fields(dtype)}: save the embeddings alone, with "
            "numpy.lib.recfunctions.structured_to_unstructured(z[[...]])."
        )
    if any(side < 0 for side in shape):
        raise UserError(f"{name} has the impossible shape {_short(shape)}: write it with numpy.save.")
    return shape, fortran, dtype


def _fields(dtype: np.dtype[np.generic]) -> str:
    return _short(", ".join(dtype.names or ()))


def _short(what: object) -> str:
    """The beginning of a message that a file's own content could make as long as it likes."""
    return textwrap.shorten(str(what), 120)


def _is(
    suitable: Callable[[tuple[int, ...], np.dtype[np.generic]], bool], archive: zipfile.ZipFile, entry: str
) -> bool:
    """Whether a member can be meant when no key says which."""
    try:
        with archive.open(entry + ".npy") as file:
            shape, _, dtype = header(file, entry)
    except (UserError, KeyError):
        return False
    return suitable(shape, dtype)


def stream(name: str, begin: _Open, size: int | None) -> EmbeddingFile:
    """A .npy of so many bytes (None: not known) that is read from its first number to its last."""
    with damage(name), begin() as file:
        found = header(file, name)
    return _rows(name, found, begin, size, skip_header=True)


def _rows(name: str, found: _Header, begin: _Open, size: int | None, *, skip_header: bool) -> EmbeddingFile:
    shape, fortran, dtype = found
    floating(name, dtype.name)
    n, dims = matrix(name, shape)
    if size is not None and size < n * dims * dtype.itemsize:
        raise UserError(f"{name} is cut off: its header promises {_short(n)} rows, the file is shorter.")
    if fortran:
        return _by_columns(name, found, begin, skip_header=skip_header)

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        with damage(name), begin() as file:
            if skip_header:
                header(file, name)
            row, step = dims * dtype.itemsize, rows_at_once(dims, dtype.itemsize)
            _skip(file, start * row)
            left = (n if stop is None else min(stop, n)) - start
            while left > 0:
                asked = min(left, step)
                data = file.read(asked * row)
                if len(data) < asked * row:
                    raise UserError(f"{name} is cut off: its header promises {n} rows, the data end before.")
                yield tensor(np.frombuffer(data, dtype).reshape(asked, dims))
                left -= asked

    return EmbeddingFile(name, n, dims, dtype.name, read)


def _by_columns(name: str, found: _Header, begin: _Open, *, skip_header: bool) -> EmbeddingFile:
    """A matrix in column order that cannot be sought in: it is unpacked into a temporary file, and that is mapped."""
    shape, _, dtype = found
    left = math.prod(shape) * dtype.itemsize
    with damage(name), begin() as file, tempfile.TemporaryFile() as unpacked:
        if skip_header:
            header(file, name)
        while left > 0:
            data = file.read(min(left, CHUNK))
            if not data:
                raise UserError(f"{name} is cut off: its header promises {_short(shape[0])} rows, the data end before.")
            left -= unpacked.write(data)
        unpacked.flush()
        mapped = np.memmap(unpacked, dtype, "r", 0, shape, "F")
    return from_slices(name, shape, dtype.name, dtype.itemsize, lambda first, last: mapped[first:last])


def _skip(file: IO[bytes], size: int) -> None:
    while size > 0:
        size -= len(file.read(min(size, CHUNK))) or size


@contextmanager
def damage(name: str) -> Iterator[None]:
    """Turn what a broken archive raises into one sentence."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(f"{name} is damaged ({error}): write it again.") from None
