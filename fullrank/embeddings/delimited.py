"""How a file of delimited text is laid out, and its record batches: commas, semicolons, tabs, or decimal commas."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from fullrank.embeddings.source import LINE, opened

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


def layout(path: Path) -> Layout:
    """The layout by the first two lines that are neither empty nor comments."""
    with io.TextIOWrapper(opened(path), "utf-8-sig") as file:
        lines = iter(lambda: file.readline(LINE), "")
        first, second, *_ = [*islice((line for line in lines if line.strip() and line[0] != "#"), 2), "", ""]
    delimiter = _delimiter(first, second or first)
    cells = [[cell.strip().strip('"') for cell in _split(line, delimiter)] for line in (first, second or first)]
    commas, points = (sum(bool(kind.fullmatch(cell)) for cell in cells[1]) for kind in (_COMMA, _POINT))
    decimal = "," if delimiter != "," and commas and not points else "."
    is_data = all(is_number(cell, decimal) for cell in cells[0]) and not _is_count(cells[0], cells[1])
    return Layout(delimiter, decimal, named=not is_data, wrapped='"[' in second)


def _delimiter(first: str, second: str) -> str:
    """What separates the cells of both lines; the words and numbers of a line without any are apart by spaces."""
    outside = re.sub(r'"[^"]*("|$)', "", first)
    if "\t" in outside:
        return "\t"
    if outside.count(";"):
        return ";"
    spaced = len(first.split()) > 1 and len(second.split()) > 1 and "[" not in second
    decimal_commas = all(map(_COMMA.fullmatch, second.split()))
    return " " if spaced and ("," not in outside or decimal_commas) else ","


def _split(line: str, delimiter: str) -> list[str]:
    return line.split() if delimiter == " " else line.rstrip("\r\n").split(delimiter)


def _is_count(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether a first line 0, 1, 2, ... above fractions is the names that pandas gives to columns."""
    counted = any(list(first) == [str(j + begin) for j in range(len(first))] for begin in (0, 1))
    return counted and len(first) > 1 and not all(cell.strip("-+").isdigit() for cell in second)


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
    reading = csv.ReadOptions(autogenerate_column_names=not how.named)
    parsing = csv.ParseOptions(delimiter=how.delimiter, newlines_in_values=how.wrapped)
    return csv.open_csv(path, read_options=reading, parse_options=parsing, convert_options=converting)
