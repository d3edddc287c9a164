"""Lists of images: one path per line, with a label or without, or a table with a header."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

from fullrank.data.files.parts import Part
from fullrank.errors import UserError
from fullrank.runs.reading import read_text

ENDINGS = (".txt", ".lst", ".list", ".csv", ".tsv")
_PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path")
_LABELS = ("label", "class", "category", "target")


def read_list(path: Path) -> Part:
    """The files that a list names, relative to its own folder, and their labels.

    Raises UserError for a line that has none.

    A line is a path, or a path and a label after a tab, a comma (in .csv) or the last space. A table with a header has
    a column that is named like path or file, and may have one that is named like label or class.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as text ({error}): save the list as UTF-8.") from error
    files, names = [], []
    for number, file, name in _rows(path, text):
        if not os.path.isfile(file):
            raise UserError(
                f"{path}, line {number}: there is no file {file}: paths are relative to the folder of the list, and a "
                "label comes after a tab, a comma in .csv, or the last space."
            )
        files.append(file)
        names.append(name or None)
    if not files:
        raise UserError(f"{path} names no file: write one path per line.")
    return Part(files, names, str(path))


def _rows(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """The number, file and label ("" for none) of each line."""
    folder = "" if path.parent == Path() else str(path.parent)
    if path.suffix.lower() not in (".csv", ".tsv"):
        for number, line in enumerate(text.splitlines(), start=1):
            if line.strip():
                yield number, *_split(folder, line.strip())
        return
    rows = list(csv.reader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
    at, label, first = _columns(path, rows)
    for number, row in enumerate(rows[first:], start=first + 1):
        if row:
            if at >= len(row):
                raise UserError(f"{path}, line {number} has {len(row)} columns and no path: repair it.")
            yield number, _joined(folder, row[at]), row[label].strip() if 0 <= label < len(row) else ""


def _split(folder: str, line: str) -> tuple[str, str]:
    if "\t" in line:
        file, _, name = line.partition("\t")
        return _joined(folder, file), name.strip()
    whole = _joined(folder, line)
    if " " not in line or os.path.isfile(whole):
        return whole, ""
    file, name = line.rsplit(maxsplit=1)
    return _joined(folder, file), name


def _joined(folder: str, file: str) -> str:
    """A file of a list, which may be written with a leading ./ or several slashes."""
    plain = file.strip()
    return os.path.join(folder, plain if "//" not in plain and "./" not in plain else str(Path(plain)))


def _columns(path: Path, rows: list[list[str]]) -> tuple[int, int, int]:
    """The columns of path and label (-1 for none), and the first row that is not a header."""
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    paths, labels = ([at for at, cell in enumerate(head) if cell in known] for known in (_PATHS, _LABELS))
    if len(paths) == 1 and len(labels) <= 1:
        return paths[0], labels[0] if labels else -1, 1
    if len(head) > 2 or len(paths) > 1 or len(labels) > 1:
        raise UserError(
            f"{path} has the columns {', '.join(head)}: name one path (or file) and at most one label (or class) in "
            "its first line."
        )
    return 0, 1, 0
