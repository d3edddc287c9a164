"""Lists of images: one path per line, with a label or without, or a table with a header."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fullrank.data.files.marked import by_split
from fullrank.data.files.parts import Layout, Part
from fullrank.data.options import DataOptions
from fullrank.errors import UserError
from fullrank.runs.reading import read_text

ENDINGS = (".txt", ".lst", ".list", ".csv", ".tsv")
_PATHS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path")
_LABELS = ("label", "class", "category", "target")
_SPLITS = ("split", "subset", "partition")


@dataclass(frozen=True)
class _Columns:
    """Which columns of a table are read (-1: there is none), its rows before the first image, and a note on others."""

    path: int = 0
    label: int = 1
    split: int = -1
    header: int = 0
    note: str = ""


def read_list(path: Path, options: DataOptions, *, beside_folders: bool = False) -> Layout:
    """The files that a list names, relative to its own folder, their labels, and which of them are to test on.

    Raises UserError for a line that has none, and for --split without a column of splits, where no folder has them.

    A line is a path, or a path and a label after a tab, a comma (in .csv) or the last space. A table with a header has
    a column that is named like path or file, and may have one that is named like label or class, and one like split.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as text ({error}): save the list as UTF-8.") from error
    table, columns = [], _Columns()
    if path.suffix.lower() in (".csv", ".tsv"):
        table = list(csv.reader(text.splitlines(), delimiter="\t" if path.suffix.lower() == ".tsv" else ","))
        columns = _columns(path, table, options)
    files, names, splits = [], [], []
    for number, file, name, split in _of_table(path, table, columns) if table else _of_lines(path, text):
        if not os.path.isfile(file):
            raise UserError(
                f"{path}, line {number}: there is no file {file}: paths are relative to the folder of the list, and a "
                "label comes after a tab, a comma in .csv, or the last space."
            )
        files.append(file)
        names.append(name or None)
        splits.append(split)
    if not files:
        raise UserError(f"{path} names no file: write one path per line.")
    whole = Layout(Part(files, names, str(path)), None, (columns.note,) if columns.note else ())
    if columns.split >= 0:
        return by_split(whole, splits, options)
    if options.split not in (None, "auto", "none") and not beside_folders:
        flag = options.flag("split")
        raise UserError(f"{flag} {options.split}: {path} has no column split: add one, or leave {flag} out.")
    return whole


def _folder(path: Path) -> str:
    return "" if path.parent == Path() else str(path.parent)


def _of_lines(path: Path, text: str) -> Iterator[tuple[int, str, str, str]]:
    """The number, file, label and split ("" for none) of each line."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, *_split(_folder(path), line.strip()), ""


def _of_table(path: Path, rows: Sequence[list[str]], columns: _Columns) -> Iterator[tuple[int, str, str, str]]:
    """The same of each row of a table."""
    folder, most = _folder(path), len(rows[0]) if columns.header else max(2, len(rows[0]))
    for number, row in enumerate(rows[columns.header :], start=columns.header + 1):
        if not row:
            continue
        if columns.path >= len(row):
            raise UserError(f"{path}, line {number} has {len(row)} columns and no path: repair it.")
        if any(cell.strip() for cell in row[most:]):
            raise UserError(f"{path}, line {number} has {len(row)} columns, and the first line has {most}: repair it.")
        label, split = (row[at].strip() if 0 <= at < len(row) else "" for at in (columns.label, columns.split))
        yield number, _joined(folder, row[columns.path]), label, split


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


def _columns(path: Path, rows: list[list[str]], options: DataOptions) -> _Columns:
    """The columns of a table, by its first row where that is a header."""
    head = [cell.strip() for cell in rows[0]] if rows else []
    paths, labels, splits = (
        [at for at, cell in enumerate(head) if cell.lower() in known] for known in (_PATHS, _LABELS, _SPLITS)
    )
    if len(paths) == 1 and len(labels) <= 1 and (len(splits) <= 1 or options.split == "none"):
        read = [*paths, *labels, *(splits if options.split != "none" else ())]
        others = [cell for at, cell in enumerate(head) if at not in read]
        if len(head) == 2 and others[0:1] not in ([], [""]) and not splits and options.labels != "none":
            raise UserError(
                f"{path} has the columns {', '.join(head)}: name {others[0]} label (or class) if it has the labels, or "
                f"pass {options.flag('labels')} none."
            )
        label, split = labels[0] if labels else -1, splits[0] if splits else -1
        return _Columns(paths[0], label, split, 1, _unread(others, labeled=bool(labels)))
    if len(head) > 2 or len(paths) > 1 or len(labels) > 1:
        raise UserError(
            f"{path} has the columns {', '.join(head)}: name one path (or file), at most one label (or class) and at "
            "most one split in its first line."
        )
    return _Columns()


def _unread(columns: Sequence[str], *, labeled: bool) -> str:
    """A note on columns that are not read."""
    if not columns:
        return ""
    names = ", ".join(name or "(without a name)" for name in columns[:5])
    more = f" and {len(columns) - 5} more" if len(columns) > 5 else ""
    said = f"the column {names} is" if len(columns) == 1 else f"the columns {names}{more} are"
    return f"{said} not read{'' if labeled else ', and none is named label'}"
