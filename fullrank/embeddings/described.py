"""What stands beside the numbers of a file that `fullrank embed` wrote: names, labels, and where its images are."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open

from fullrank.embeddings.files import shards
from fullrank.embeddings.source import damage, need
from fullrank.embeddings.writers import rows_file
from fullrank.errors import UserError
from fullrank.runs.reading import parse_json

_COLUMNS = ("name", "label", "split")
_PLACES = ("encoder", "encoder_sha256", "root")


@dataclass(frozen=True, eq=False)
class Described:
    """Columns of words by name, a word for each row ("" for none), and what the file says of encoder and images."""

    columns: Mapping[str, list[str]]
    about: Mapping[str, Any]


def described(spec: str) -> Described:
    """The columns of a file, a folder or a pattern of shards; raises UserError where there is no column of names.

    >>> described("nowhere.npy")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.npy: check the path.
    """
    paths = shards(spec.partition("::")[0])
    parts = [_one(path) for path in paths]
    for path, part in zip(paths, parts, strict=True):
        for name in _PLACES:
            if part.about.get(name) != parts[0].about.get(name):
                said = f"{part.about.get(name)} as its {name}, {paths[0]} names {parts[0].about.get(name)}"
                raise UserError(f"{path} names {said}: pass files that one `fullrank embed` wrote.")
    names = [name for name in _COLUMNS if all(name in part.columns for part in parts)]
    columns = {name: [word for part in parts for word in part.columns[name]] for name in names}
    return Described(columns, parts[0].about)


def _one(path: Path) -> Described:
    if not path.exists():
        raise UserError(f"There is no file {path}: check the path.")
    rows, read = rows_file(path), _READERS.get(path.suffix, _nothing)
    beside = {} if rows is None else _beside(path, rows)
    with damage(str(path), f"a {path.suffix} file"):
        columns, about = read(path)
        if not isinstance(about, dict) or not all(isinstance(about.get(name), str | None) for name in _PLACES):
            raise ValueError("it does not say which encoder made it, and of which images")
    columns = columns or beside
    if "name" not in columns:
        raise UserError(f"{path} has no column of names: pass a file that `fullrank embed` wrote.")
    return Described(columns, about)


def _nothing(_path: Path) -> tuple[dict[str, list[str]], object]:
    return {}, {}


def _parquet(path: Path) -> tuple[dict[str, list[str]], object]:
    need("pyarrow", str(path))
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as file:
        there = [name for name in _COLUMNS if name in file.schema_arrow.names]
        table = file.read(columns=there)
        words = {name: [str(word or "") for word in table[name].to_pylist()] for name in there}
        return words, parse_json((file.schema_arrow.metadata or {}).get(b"fullrank", b"{}").decode())


def _safetensors(path: Path) -> tuple[dict[str, list[str]], object]:
    with safe_open(path, framework="numpy") as file:
        return {}, parse_json((file.metadata() or {}).get("fullrank", "{}"))


def _zarr(path: Path) -> tuple[dict[str, list[str]], object]:
    need("zarr", str(path))
    import zarr

    attributes = zarr.open(str(path), mode="r").attrs
    return {}, attributes.get("fullrank", {})


_READERS = {".parquet": _parquet, ".safetensors": _safetensors, ".zarr": _zarr}


def _beside(path: Path, file: Path) -> dict[str, list[str]]:
    if not file.is_file():
        raise UserError(f"{path} has no {file.name} beside it: pass a file that `fullrank embed` wrote.")
    with damage(str(file), "a table"), file.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
        return {name: [row[name] or "" for row in rows] for name in _COLUMNS if rows and name in rows[0]}
