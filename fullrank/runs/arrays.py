"""Arrays of an .npz file, checked before memory is taken for them; nothing is unpickled."""

from __future__ import annotations

import math
import struct
import tokenize
import zipfile
import zlib
from typing import Any

from numpy.lib import format as npy
from numpy.typing import NDArray

DAMAGE = (
    *(OSError, EOFError, struct.error, zipfile.BadZipFile, zlib.error, RuntimeError),  # of a file
    *(ValueError, TypeError, OverflowError, MemoryError, tokenize.TokenError, SyntaxError, KeyError),  # of a header
)
"""What reading a damaged file raises."""


def stored(archive: zipfile.ZipFile, name: str, limit: int) -> NDArray[Any]:
    """One array; ValueError before memory is taken if its header claims more bytes than the limit."""
    with archive.open(f"{name}.npy") as member:
        head = npy.read_array_header_1_0 if npy.read_magic(member) == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = head(member)
    if dtype.hasobject:
        raise ValueError(f"{name} holds objects")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize > limit:
        raise ValueError(f"{name} claims more bytes than it can hold")
    with archive.open(f"{name}.npy") as member:
        array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
    return array


def names_of(archive: zipfile.ZipFile) -> list[str]:
    """The names of the arrays in an .npz file."""
    return [name.removesuffix(".npy") for name in archive.namelist()]
