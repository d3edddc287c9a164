"""How a file of delimited text is laid out, and its record batches: commas, semicolons, tabs, or decimal commas."""

from __future__ import annotations

import csv as plain
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fullrank.embeddings.source import LINE, opened

_NAMES = 100_000  # columns; a longer first line is taken as it is
_COMMA = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
_POINT = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Layout:
    """What stands between two cells, what begins a fraction, and whether the columns have names."""

    delimiter: str
    """A space stands for any white space."""
    decimal: str = "."
    named: bool = True
    wrapped: bool = False
    """Whether quoted cells, such as numpy's printed vectors, may go over several lines."""
    names: tuple[str, ...] = ()
    """The names of the columns where those of the file, as they are, would not tell them apart."""
    before: int = 0
    """Lines of comments before the first."""


def layout(path: Path) -> Layout:
    """The layout by the first two lines that are neither empty nor comments."""
    with io.TextIOWrapper(opened(path), "utf-8-sig") as file:
        lines = enumerate(iter(lambda: file.readline(LINE), ""))
        found = [*islice(((at, line) for at, line in lines if line.strip() and line[0] != "#"), 2), (0, ""), (0, "")]
    (before, first), (_, second) = found[:2]
    delimiter = _delimiter(first, second or first)
    cells = [[cell.strip() for cell in _split(line, delimiter)] for line in (first, second or first)]
    commas, points = (sum(bool(kind.fullmatch(cell)) for cell in cells[1]) for kind in (_COMMA, _POINT))
    decimal = "," if commas and not points else "."
    is_data = all(is_number(cell, decimal) for cell in cells[0]) and not _is_count(cells[0], cells[1])
    equal = len(set(cells[0])) < len(cells[0]) <= _NAMES and not is_data
    names = _apart(cells[0]) if equal else ()
    return Layout(delimiter, decimal, named=not is_data, wrapped='"[' in second, names=names, before=before)


def _apart(names: Sequence[str]) -> tuple[str, ...]:
    """Names of which some are equal, as pandas tells them apart: an index of several columns has none.

    >>> _apart(["", "", "a", "a"])
    ('Unnamed: 0', 'Unnamed: 1', 'a', 'a.1')
    """
    seen: dict[str, int] = {}
    apart = []
    for at, name in enumerate(names):
        given = name or f"Unnamed: {at}"
        more = seen[given] = seen.get(given, -1) + 1
        apart.append(f"{given}.{more}" if more else given)
    return tuple(apart)


def _delimiter(first: str, second: str) -> str:
    """What separates the cells of both lines; the words and numbers of a line without any are apart by spaces."""
    outside = re.sub(r'"[^"]*("|$)', "", first)
    if "\t" in outside:
        return "\t"
    for mark in ";|":
        if mark in outside:
            return mark
    spaced = len(first.split()) > 1 and len(second.split()) > 1 and "[" not in second
    decimal_commas = all(map(_COMMA.fullmatch, second.split()))
    return " " if spaced and ("," not in outside or decimal_commas) else ","


def _split(line: str, delimiter: str) -> list[str]:
    return line.split() if delimiter == " " else next(plain.reader([line.rstrip("\r\n")], delimiter=delimiter), [""])


def _is_count(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether a first line 0, 1, 2, ... above fractions is the names that pandas gives to columns."""
    begins = (0, 1) if len(first) > 1 else (0,)
    counted = any(list(first) == [str(j + begin) for j in range(len(first))] for begin in begins)
    return counted and not all(cell.strip("-+").isdigit() for cell in second)


def is_number(cell: str, decimal: str = ".") -> bool:
    """Whether a cell is a number.

    >>> is_number("-1.5e3"), is_number("1,5"), is_number("1,5", ",")
    (True, False, True)
    """
    try:
        float(cell.replace(decimal, "."))
    except ValueError:
        return False
    return True


def delimited(path: Path, how: Layout, columns: Sequence[str] | None = None, words: bool = False) -> Any:
    """A stream of record batches; of the chosen columns, as float64 or as words, if they are chosen."""
    import pyarrow
    from pyarrow import csv

    types = dict.fromkeys(columns or (), pyarrow.string() if words else pyarrow.float64())
    converting = csv.ConvertOptions(
        decimal_point=how.decimal, include_columns=list(columns or ()), column_types=types, strings_can_be_null=words
    )
    skipped = how.before + bool(how.names)
    names = list(how.names) or None
    reading = csv.ReadOptions(autogenerate_column_names=not how.named, column_names=names, skip_rows=skipped)
    parsing = csv.ParseOptions(delimiter=how.delimiter, newlines_in_values=how.wrapped)
    return csv.open_csv(path, read_options=reading, parse_options=parsing, convert_options=converting)
