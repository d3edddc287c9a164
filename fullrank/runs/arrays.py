"""Arrays of an .npz file, and other archives, checked before memory is taken for them; nothing is unpickled."""

from __future__ import annotations

import math
import mmap
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

DAMAGE = (
    *(OSError, EOFError, struct.error, zipfile.BadZipFile, zlib.error, RuntimeError),  # of a file
    *(ValueError, TypeError, OverflowError, MemoryError, tokenize.TokenError, SyntaxError, KeyError),  # of a header
)
"""What reading a damaged file raises."""

_BOMB = 1000  # a member that unpacks to more than this times its size
_HARMLESS = 2**30  # bytes, unless it is no more than this
_BYTEARRAY = b"bytearray"  # a name that unpickling calls with any number of bytes


def is_bomb(packed: int, whole: int) -> bool:
    """Whether so many bytes that unpack to `whole` are packed as only a bomb is.

    >>> is_bomb(8_000_000, 8_000_000_000), is_bomb(8_000_000, 8_000_000_000 + 1)
    (False, True)
    """
    return whole > max(_HARMLESS, _BOMB * packed)


def grows(path: Path) -> str | None:
    """Why a file of torch.save could take more memory than its size: what it holds, or None.

    It is "compressed" where members of its archive are, which torch.save never does, and has "a bytearray" where it
    could ask for one of any length, which no tensor needs.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
                return "compressed data"
            pickles = [archive.read(info) for info in archive.infolist() if info.filename.endswith("data.pkl")]
            return "a bytearray" if any(_BYTEARRAY in content for content in pickles) else None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        pass  # an old file of torch.save, or none: torch says which
    with path.open("rb") as file:
        if not path.stat().st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return "a bytearray" if content.find(_BYTEARRAY) >= 0 else None


def begins_as_saved(path: Path) -> bool:
    """Whether a file begins as torch.save begins one: as a zip file, or as a pickle."""
    with path.open("rb") as file:
        begins = file.read(2)
    return begins == b"PK" or begins[:1] == b"\x80"


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file; one of DAMAGE where it is damaged, claims more than it holds, or is a bomb."""
    with zipfile.ZipFile(path) as archive:
        return {name: unpacked(archive, name) for name in names_of(archive)}


def unpacked(archive: zipfile.ZipFile, name: str) -> NDArray[Any]:
    """One array; one of DAMAGE before memory is taken if its header claims more than it holds, or if it is a bomb."""
    info = archive.getinfo(f"{name}.npy")
    if is_bomb(info.compress_size, info.file_size):
        raise ValueError(f"{name} unpacks from {info.compress_size} to {info.file_size} bytes")
    return stored(archive, name, info.file_size)


def stored(archive: zipfile.ZipFile, name: str, limit: int) -> NDArray[Any]:
    """One array; ValueError before memory is taken if its header claims more bytes than the limit."""
    with archive.open(f"{name}.npy") as member:
        head = npy.read_array_header_1_0 if npy.read_magic(member) == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = head(member)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects, which only unpickling could read")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > limit:
        raise ValueError(f"{name} claims more bytes than it can hold")
    with archive.open(f"{name}.npy") as member:
        array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
    return array


def names_of(archive: zipfile.ZipFile) -> list[str]:
    """The names of the arrays in an .npz file."""
    return [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
