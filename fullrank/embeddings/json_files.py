"""Readers of .jsonl, a list of numbers or an object that holds one in each line, and of .json, which is read whole."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullrank.embeddings.source import (
    LINE,
    EmbeddingFile,
    damage,
    equally_wide,
    from_slices,
    opened,
    pick,
    rows_at_once,
)
from fullrank.embeddings.table_columns import listed, parsed
from fullrank.errors import UserError

_WHOLE = 2**26  # bytes of a .json
_NUMBERED = re.compile(r"(.*?)([0-9]{1,9})", re.DOTALL)
_OF_COLUMNS = {
    "",
    *"cdefvxz",
    *["col", "column", "dim", "dimension", "emb", "embedding", "feat", "feature", "latent", "pc", "component"],
}


def read_jsonl(path: Path, key: str | None) -> EmbeddingFile:
    """A list of numbers a line, or an object that holds one, however deep (data.embedding)."""
    name = str(path)
    entry: str | None = None
    with damage(name, "a file of JSON lines"):
        first = next(json_lines(path), (0, None))[1]
    if isinstance(first, dict):
        entry = _entry(name, first, key)
        first = _at(first, entry)
    elif key is not None:
        raise UserError(f"{name} holds one list per line, no objects: pass it without ::{key}.")
    dims = len(_numbers(f"{name}: line 1", first))

    def read(start: int, stop: int | None) -> Iterator[Tensor]:
        with damage(name, "a file of JSON lines"):
            chosen = islice(json_lines(path), start, stop)
            while some := list(islice(chosen, rows_at_once(dims, 8))):
                rows = [
                    _numbers(f"{name}: line {at}", value if entry is None else _at(value, entry)) for at, value in some
                ]
                equally_wide(name, [len(row) for row in rows], dims, [f"line {at}" for at, _ in some])
                yield torch.tensor(rows, dtype=torch.float64)

    return EmbeddingFile(f"{name}::{entry}" if entry else name, None, dims, "float64", read)


def read_json(path: Path, key: str | None) -> EmbeddingFile:
    """A list of lists or of objects, an object that holds one, or vectors by name; at most 64 MB, parsed whole."""
    name = str(path)
    content = json_whole(path)
    if is_report(content):
        raise UserError(
            f"{name} is a report of `fullrank diagnose` and holds no embeddings: pass it, by this name, to "
            "`fullrank compare`."
        )
    place = ""
    if isinstance(content, dict) and not (key is None and _by_name(content)):
        place, key = _place(name, content, key)
        content = content[place] if place in content else _at(content, place)
    places: list[str] = []
    if isinstance(content, dict):
        _refuse_columns(name, content)
        places, content = list(content), list(content.values())
    columns = f"the vectors of {listed(places)}" if places else ""
    if not isinstance(content, list) or not content:
        raise UserError(
            f"{name} holds no list of embeddings: write [[0.1, 0.2], ...], or one embedding per line (.jsonl)."
        )
    places = places or [f"entry {at}" for at in range(len(content))]
    entry = _entry(name, content[0], key) if isinstance(content[0], dict) else None
    values = [row if entry is None else _at(row, entry) for row in content]
    rows = [_numbers(f"{name}: {where}", row) for where, row in zip(places, values, strict=True)]
    equally_wide(name, [len(row) for row in rows], places=places)
    z = torch.tensor(rows, dtype=torch.float64)
    spot = ".".join(part for part in (place, entry) if part)
    named_file = f"{name}::{spot}" if spot else name
    file = from_slices(named_file, z.shape, "float64", 8, lambda first, last: z[first:last])
    return replace(file, columns=columns)


def _place(name: str, content: dict[str, Any], key: str | None) -> tuple[str, str | None]:
    """Where an object holds the embeddings, and what is left of the key."""
    found = {spot: value for spot, value in _entries(content, "") if isinstance(value, list) and len(value)}
    suitable = [spot for spot, value in found.items() if isinstance(value[0], list | dict)]
    named = [spot for spot, value in content.items() if isinstance(value, dict) and _by_name(value)]
    known = [*suitable, *named]
    _refuse_single(name, known, dict(_entries(content, "")))
    place = next((spot for spot in known if key and (key == spot or key.startswith(f"{spot}."))), "")
    place = place or pick(name, None if len(known) == 1 else key, [*found, *named], known)
    return place, (key or "").removeprefix(place).removeprefix(".") or None


def json_whole(path: Path) -> Any:
    """What a .json holds; raises UserError for one of more than 64 MB."""
    name = str(path)
    with damage(name, "JSON"):
        with opened(path) as file:
            data = file.read(_WHOLE + 1)
        if len(data) > _WHOLE:
            raise UserError(
                f"{name} is larger than {_WHOLE} bytes: write JSON lines, as `jq -c '.[]'` does, to .jsonl."
            )
        return _loads(name, data.decode("utf-8-sig"))


def is_report(content: Any) -> bool:
    """Whether the content of a .json is a report of a diagnosis, and no embeddings.

    >>> is_report({"schema": 1, "verdict": "healthy", "measurements": []}), is_report([[0.1, 0.2]])
    (True, False)
    """
    return isinstance(content, dict) and {"schema", "verdict", "measurements"} <= content.keys()


def _refuse_columns(name: str, content: Mapping[str, Any]) -> None:
    """Raise a UserError for lists by name that could be the columns of a table, which would be read across.

    These are lists of which most names are counted as columns are (x0, x1, ...) and that have more numbers than there
    are names, one that counts (0, 1, 2, ...), and one of whole numbers beyond 1 beside fractions.
    """
    lists = {place: value for place, value in content.items() if isinstance(value, list)}
    whole = {place: value for place, value in lists.items() if all(type(x) is int for x in value)}
    counting = [place for place, value in whole.items() if len(value) > 1 and _counts(value)]
    labels = [place for place, value in whole.items() if {*value} - {-1, 0, 1}] if len(whole) < len(lists) else []
    families: dict[str, list[int]] = {}
    for found in filter(None, map(_NUMBERED.fullmatch, lists)):
        families.setdefault(found[1], []).append(int(found[2]))
    counted = any(
        stem.strip("_- ").lower() in _OF_COLUMNS and _counts(sorted(one)) and len(one) > len(lists) / 2
        for stem, one in families.items()
    )
    if counting or labels or (counted and len(lists) < max(map(len, lists.values()))):
        raise UserError(
            f"{name} holds {listed(list(lists))}, which could be rows or columns: save rows as a list of lists, and "
            "columns as .csv or .parquet."
        )


def _counts(numbers: Sequence[int]) -> bool:
    """Whether whole numbers go up by one from 0 or from 1."""
    return numbers[0] in (0, 1) and list(numbers) == [*range(numbers[0], numbers[0] + len(numbers))]


def _by_name(value: dict[str, Any]) -> bool:
    """Whether an object maps names to vectors: two or more, all of one length."""
    vectors = [inside for inside in value.values() if _is_vector(inside)]
    return len(vectors) == len(value) > 1 and len({len(inside) for inside in vectors}) == 1


def json_lines(path: Path) -> Generator[tuple[int, Any], None, None]:
    """The number from 1 and the value of each line that is not empty."""
    with opened(path) as file:
        for at, line in enumerate(iter(lambda: file.readline(LINE), b""), 1):
            if len(line) >= LINE:
                raise UserError(f"{path}: line {at} is longer than {LINE} bytes: write one embedding per line.")
            if line.strip():
                yield at, _loads(f"{path}: line {at}", line.decode("utf-8-sig"))


def _loads(name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{name} is not JSON ({error}): write one embedding per line.") from None


def _entries(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """What an object holds, however deep, by its keys with dots between; of lists of objects the first ten."""
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from _entries(inside, f"{place}.{key}" if place else str(key))
        return
    yield place, value
    if isinstance(value, list) and value and isinstance(value[0], dict):
        for at, inside in enumerate(value[:10]):
            yield from _entries(inside, f"{place}.{at}")


def _entry(name: str, value: Any, key: str | None) -> str:
    """Where an object holds its embedding."""
    found = dict(_entries(value, ""))
    suitable = [place for place, inside in found.items() if _is_vector(inside)]
    _refuse_single(name, suitable, found)
    return pick(name, key, list(found), suitable)


def _refuse_single(name: str, suitable: Sequence[str], found: Mapping[str, Any]) -> None:
    if not suitable and sum(type(inside) in (int, float) for inside in found.values()) > 1:
        raise UserError(f"{name} holds single numbers by name: save it as .csv or .parquet, whose columns are read.")


def _is_vector(value: Any) -> bool:
    if isinstance(value, str):
        return value[:1] == "[" and value[-1:] == "]"
    return isinstance(value, list) and bool(value) and isinstance(value[0], int | float)


def _at(value: Any, entry: str) -> Any:
    """The value at a key with dots between, or None; a key that has dots itself comes first."""
    if isinstance(value, dict):
        if entry in value:
            return value[entry]
        spots = [place for place in value if entry.startswith(f"{place}.")]
        return next(
            (found for place in spots if (found := _at(value[place], entry[len(place) + 1 :])) is not None), None
        )
    if isinstance(value, list):
        at, _, rest = entry.partition(".")
        item = value[int(at)] if at.isdigit() and int(at) < len(value) else None
        return _at(item, rest) if rest else item
    return None


def _numbers(where: str, value: Any) -> list[float]:
    if isinstance(value, str) and _is_vector(value):
        value = parsed(where, [value])[0]
    if not isinstance(value, list) or not value or any(type(x) not in (int, float) for x in value):
        raise UserError(f"{where} holds no flat list of numbers: write one embedding per line.")
    try:
        return [*map(float, value)]
    except OverflowError:
        raise UserError(f"{where} holds a whole number beyond any float: rescale the numbers.") from None
