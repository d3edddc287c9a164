"""Fields of a flatbuffer by their numbers: https://flatbuffers.dev/internals. struct.error where one is cut off."""

from __future__ import annotations

import struct
from collections.abc import Iterator


def root(data: bytes) -> int:
    """Where the outermost table is."""
    return int(struct.unpack_from("<I", data)[0])


def field(data: bytes, table: int, number: int) -> int:
    """Where a field of a table is; 0 where it is left out."""
    layout = table - struct.unpack_from("<i", data, table)[0]
    at = 4 + 2 * number
    if at >= struct.unpack_from("<H", data, layout)[0]:
        return 0
    offset = struct.unpack_from("<H", data, layout + at)[0]
    return table + offset if offset else 0


def inner(data: bytes, table: int, number: int) -> int:
    """Where a table is that a field of another points to; ValueError where it is left out."""
    at = field(data, table, number)
    if not at:
        raise ValueError("a batch without content")
    return at + int(struct.unpack_from("<I", data, at)[0])


def vector(data: bytes, table: int, number: int, width: int) -> Iterator[int]:
    """Where each item of a vector of structs is."""
    at = field(data, table, number)
    if at:
        start = at + struct.unpack_from("<I", data, at)[0]
        count = struct.unpack_from("<I", data, start)[0]
        yield from range(start + 4, min(start + 4 + count * width, len(data)), width)
