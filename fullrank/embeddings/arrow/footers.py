"""What the row groups of a parquet file hold, by its footer alone: pyarrow ends the process over some that are damaged.

Reads the compact protocol of Thrift: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md,
and the fields of https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT, _UUID = 1, 2, 3, 7, 8, 9, 10, 12, 13
_NUMBERS = (4, 5, 6)  # of 16, 32 and 64 bits
_DEEPEST = 32  # structs within structs
_TAIL = 8  # bytes at the end of a file: the length of its footer, and PAR1


@dataclass(frozen=True)
class Group:
    """Rows of a row group, values of its columns together, and their bytes in the file and in memory."""

    rows: int
    values: int
    packed: int
    whole: int


def groups_of(file: IO[bytes]) -> list[Group]:
    """The row groups of a parquet file; ValueError where its footer is damaged, or encrypted."""
    size = file.seek(0, 2)
    file.seek(max(size - _TAIL, 0))
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or length > size - _TAIL:
        raise ValueError("it has no footer that can be read")
    file.seek(size - _TAIL - length)
    footer = _Compact(file.read(length))
    try:
        found: list[Group] = []
        for number, kind in footer.fields():
            if number == 4 and kind == _LIST:
                found = [_group(footer) for _ in footer.structs()]
            else:
                footer.skip(kind)
        return found
    except IndexError:
        raise ValueError("its footer is cut off") from None


def _group(footer: _Compact) -> Group:
    rows, columns = 0, [(0, 0, 0)]
    for number, kind in footer.fields():
        if number == 1 and kind == _LIST:
            columns = [_column(footer) for _ in footer.structs()]
        elif number == 3 and kind in _NUMBERS:
            rows = footer.number()
        else:
            footer.skip(kind)
    values, whole, packed = (sum(column) for column in zip(*columns, strict=True))
    return Group(rows, values, packed, whole)


def _column(footer: _Compact) -> tuple[int, int, int]:
    """Values of a column chunk, and their bytes in memory and in the file."""
    found: dict[int, int] = {}
    for outer, kind in footer.fields():
        if outer != 3 or kind != _STRUCT:
            footer.skip(kind)
            continue
        for number, inner in footer.fields():
            if number in (5, 6, 7) and inner in _NUMBERS:
                found[number] = footer.number()
            else:
                footer.skip(inner)
    if len(found) < 3 or min(found.values()) < 0:
        raise ValueError("its footer does not say how large its columns are")
    return found[5], found[6], found[7]


class _Compact:
    """A position in bytes of the compact protocol; IndexError where they end too early."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Number and kind of each field of a struct; whoever asks takes its value before the next."""
        number = 0
        while kind := self.data[self.at]:
            self.at += 1
            number = number + (kind >> 4) if kind >> 4 else self.number()
            yield number, kind & 15
        self.at += 1

    def structs(self) -> Iterator[None]:
        """For each struct of a list; whoever asks takes it before the next."""
        count, kind = self._list()
        if count and kind != _STRUCT:
            raise ValueError("its footer is damaged")
        for _ in range(count):
            yield

    def number(self) -> int:
        """A signed whole number."""
        value = self._varint()
        return (value >> 1) ^ -(value & 1)

    def skip(self, kind: int, depth: int = 0) -> None:
        """Go on behind a value of this kind."""
        if kind in _NUMBERS:
            self._varint()
        elif kind == _BINARY:
            self._forward(self._varint())
        elif kind == _STRUCT and depth < _DEEPEST:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in (_LIST, _SET) and depth < _DEEPEST:
            count, inner = self._list()
            for _ in range(count):
                self.skip(_BYTE if inner in (_TRUE, _FALSE) else inner, depth + 1)
        elif kind in (_BYTE, _DOUBLE, _UUID):
            self._forward({_BYTE: 1, _DOUBLE: 8, _UUID: 16}[kind])
        elif kind not in (_TRUE, _FALSE):  # a map, of which a footer has none, or no kind at all
            raise ValueError("its footer is damaged")

    def _list(self) -> tuple[int, int]:
        head = self.data[self.at]
        self.at += 1
        return (self._varint() if head >> 4 == 15 else head >> 4), head & 15

    def _forward(self, count: int) -> None:
        self.at += count
        if self.at > len(self.data):
            raise IndexError

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("its footer is damaged")
