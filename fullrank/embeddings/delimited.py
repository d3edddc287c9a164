"""How a file of delimited text is laid out, and its record batches: commas, semicolons, tabs, or decimal commas."""

from __future__ import annotations

import csv as plain
import io
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fullrank.embeddings.source import LINE, opened
from fullrank.errors import UserError

_NAMES = 100_000  # columns; a longer first line is taken as it is
_SURE = 8  # numbers that rise: of the rows one in 360,000 does
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
    comments: list[tuple[int, str]] = []
    with io.TextIOWrapper(opened(path), "utf-8-sig") as file:
        lines = enumerate(iter(lambda: file.readline(LINE), ""))
        found: list[tuple[int, str]] = []
        while len(found) < 2 and (line := next(lines, None)):
            if line[1].strip():
                (comments if line[1][0] == "#" else found).append(line)
    (before, first), (_, second) = (*found, (0, ""), (0, ""))[:2]
    delimiter = _delimiter(first, second or first)
    cells = [_split(line, delimiter) for line in (first, second or first)]
    commas, points = (sum(bool(kind.fullmatch(cell)) for cell in cells[1]) for kind in (_COMMA, _POINT))
    decimal = "," if commas and not points else "."
    marked = [at for at, line in comments if at < before and _is_row(_split(line, delimiter), cells[0])]
    if marked:  # words that begin with # are no comments
        return Layout(delimiter, decimal, named=False, before=marked[0])
    named = _are_names(str(path), cells[0], cells[1], spaced=delimiter == " ")
    names = _apart(cells[0]) if named and len(set(cells[0])) < len(cells[0]) <= _NAMES else ()
    return Layout(delimiter, decimal, named=named, wrapped='"[' in first + second, names=names, before=before)


def _is_row(cells: Sequence[str], other: Sequence[str]) -> bool:
    """Whether cells are a word and numbers, some of them fractions, as many as another line has behind its word."""
    alike = len(cells) == len(other) > 1 and not is_number(other[0])
    return alike and all(map(_holds_numbers, (*cells[1:], *other[1:]))) and any(map(_is_fraction, cells[1:]))


def _are_names(file: str, first: Sequence[str], second: Sequence[str], *, spaced: bool) -> bool:
    """Whether the cells of a first line name the columns; a UserError is raised where they could be a row, too."""
    numbers, below = ([cell for cell in line if _holds_numbers(cell)] for line in (first, second))
    distinct = len(set(numbers)) == len(numbers)
    if any(map(_is_fraction, numbers)):
        rise = _rise(numbers) and not _rise(below)
        if rise and (len(numbers) > _SURE or _rise(numbers, evenly=True)):
            return True
        unclear = rise or len(numbers) < min(len(below), len(first)) or not first[0]
    elif len(numbers) == len(first):
        if _is_count(first, second):
            return True
        unclear = distinct and len(second) == len(first) > 1 and all(map(_is_fraction, second))
    else:
        under = [low for cell, low in zip(first, second, strict=False) if _holds_numbers(cell)]
        counted = len(numbers) > 1 and _is_count(numbers, under)
        if not first[0] or counted or len(numbers) < max(len(below), 1):  # an index of pandas has no name
            return True
        unclear = distinct
    if unclear and not spaced:
        begins = textwrap.shorten(", ".join(first), 60, placeholder=" ...")
        raise UserError(
            f"{file} begins with {begins}, which could be names or a row: put a line of names (x0, x1, ...) above it "
            "or in its place."
        )
    return False


def _rise(cells: Sequence[str], *, evenly: bool = False) -> bool:
    """Whether cells are four numbers or more that rise, as wavelengths do that name columns, and hardly those of a row.

    >>> _rise(["0.0", "1.0", "2.0", "3.0"], evenly=True), _rise(["400.5", "401", "403", "410"], evenly=True)
    (True, False)
    """
    if len(cells) < 4 or not all(map(is_number, cells)):
        return False
    values = [*map(float, cells)]
    steps = [after - before for before, after in pairwise(values)]
    return min(steps) > 0 and (not evenly or max(steps) - min(steps) <= 1e-6 * max(steps))


def _holds_numbers(cell: str) -> bool:
    """Whether a cell is a number, or the beginning of a vector."""
    parts = cell.strip("[]").replace(",", " ").split()
    return bool(parts) and all(map(is_number, parts))


def _is_fraction(cell: str) -> bool:
    """Whether a cell has numbers that are not whole, so that it is hardly a name."""
    return _holds_numbers(cell) and not cell.lstrip("+-").isdigit() and any(map(str.isdigit, cell))


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
    if delimiter == " ":
        return line.split()
    return [cell.strip() for cell in next(plain.reader([line.rstrip("\r\n")], delimiter=delimiter), [""])]


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
    return "_" not in cell  # which Python takes for a mark of thousands


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
