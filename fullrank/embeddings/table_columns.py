"""Which columns of a table are the embeddings, and which are not; what is ambiguous is an error that names the key."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.embeddings.delimited import is_number
from fullrank.embeddings.source import are_whole, floating, pick
from fullrank.errors import UserError

_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")  # the names that pandas gives to an index without a name
_TEXT = ("string", "large_string", "string_view")  # Arrow's kinds; no lists and no dictionaries of them
_LISTED = 5  # of the columns of words that are left out
_NUMBERED = re.compile(r"(.*?)\d+")

Again = Callable[[list[str]], Iterator[Any]]


@dataclass(frozen=True)
class Choice:
    """The columns that are the embeddings, and those that are not, each with the reason."""

    columns: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def choose(
    name: str,
    first: Any,
    again: Again,
    key: str | None,
    without: Collection[str] = (),
    *,
    text: bool = False,
    named: bool = True,
) -> Choice:
    """The columns of embeddings by the first record batch of a table.

    Args:
        name: The file, for errors.
        first: The first record batch.
        again: All record batches, of some columns.
        key: A column, or what the names of the columns start with.
        without: Columns that are never dimensions, because they are the labels or the groups.
        text: Types were guessed from text, so a dimension that is always 0 may look like whole numbers.
        named: The columns have names in the file.

    Raises:
        UserError: There is no such column, or more than one answer.
    """
    types = {field.name: field.type for field in first.schema if field.name not in without}
    vectors = [column for column, kind in types.items() if _is_vector(first, column, kind)]
    vectors = vectors or [column for column, kind in types.items() if _is_loose(first, column, kind)]
    numbers = {column: is_float(kind) for column, kind in types.items() if is_float(kind) or is_int(kind)}
    if key is not None and (key not in types or key in numbers):
        begun = _begun(key, list(numbers), exactly=key in types)
        if begun:
            return Choice(_some_float(name, types, begun), tuple(map(_given, sorted(without))))
    if key is None and not vectors:
        _refuse_nested(name, types, [column for column, is_dim in numbers.items() if is_dim])
    if key is None and not vectors and any(numbers.values()):
        dead = [column for column in numbers if text and not np.asarray(first.column(column)).any()]
        others = [column for at, column in enumerate(types) if column not in numbers and (column or at == 0)]
        return _without_codes(_wide(name, numbers, dead, others, without, named=named), first, again, named=named)
    if key is None and not vectors and numbers:
        _some_float(name, types, [column for column in numbers if not is_index(column)] or list(numbers))
    chosen = pick(name, key, [*types], vectors)
    if chosen not in vectors:
        _refuse_nested(name, {chosen: types[chosen]})
        floating(f"{name}::{chosen}", _numpy_name(_unwrapped(types[chosen])[1]))
    others = [column for column in types if column != chosen] if key is None else []
    return Choice((chosen,), (*_others(others, "no vectors"), *map(_given, sorted(without))))


def _wide(
    name: str,
    numbers: Mapping[str, bool],
    dead: Sequence[str],
    words: Sequence[str],
    without: Collection[str],
    *,
    named: bool,
) -> Choice:
    """The columns of floats, or the numbered ones of them where others stand beside."""
    inside = {column: is_dim for column, is_dim in numbers.items() if not is_index(column)}
    candidates = {column: is_dim or column in dead for column, is_dim in inside.items()}
    families = _families([column for column, usable in candidates.items() if usable and named])
    families = {stem: some for stem, some in families.items() if any(numbers[one] for one in some)}
    chosen = [column for column, usable in candidates.items() if usable and (numbers[column] or not named)]
    if families:
        stem = max(families, key=lambda one: len(families[one]))
        others = [column for column in chosen if column not in families[stem]]
        if len(families) > 1 or len(others) >= len(families[stem]):
            raise UserError(
                f"{name} holds the columns {listed(families[stem])} beside {listed(others)}: say which are the "
                f"dimensions, as in {name}::{stem}."
            )
        chosen = families[stem]
    if not chosen:
        raise UserError(f"{name} holds no columns of floats but its index: save one column for each dimension.")
    rest = [column for column in numbers if column not in chosen]
    left = [_why(column, "not numbered as the others" if numbers[column] else "whole numbers") for column in rest]
    return Choice(tuple(chosen), (*left, *_others(words, "no numbers"), *map(_given, sorted(without))))


def _without_codes(choice: Choice, first: Any, again: Again, *, named: bool) -> Choice:
    """The choice without columns of whole numbers that are kept as floats, as labels are, beside others with fractions.

    Dimensions that are numbered, or the same in every row, stay; without names only one column can be the labels.
    """
    columns = [column for column in choice.columns if is_float(first.schema.field(column).type)]
    suspects = [column for column in columns if are_whole(_floats(first, column))]
    if len(suspects) == len(columns) or (named and set(choice.columns) in map(set, _families(choice.columns).values())):
        return choice
    spans = dict.fromkeys(suspects, (np.inf, -np.inf))
    for batch in again(suspects) if suspects else ():
        for column in [*spans]:
            values = _floats(batch, column)
            low, high = spans.pop(column)
            if are_whole(values):
                spans[column] = float(values.min(initial=low)), float(values.max(initial=high))
        if not spans:
            break
    codes = [column for column, (low, high) in spans.items() if low < high]
    if not codes or (len(codes) > 1 and not named):
        return choice
    kept = tuple(column for column in choice.columns if column not in codes)
    return Choice(kept, (*(_why(column, "whole numbers") for column in codes), *choice.left_out))


def _floats(batch: Any, column: str) -> NDArray[Any]:
    return np.asarray(batch.column(column).to_numpy(zero_copy_only=False))


def _families(columns: Sequence[str]) -> dict[str, list[str]]:
    """Columns that differ in a number, by what comes before it; the name without a number is that of number 0.

    >>> _families(["v", "v_1", "v_2"]), _families(["w", "w0", "w1"])
    ({'v': ['v', 'v_1', 'v_2']}, {'w': ['w0', 'w1']})
    """
    numbered: dict[str, list[str]] = {}
    for column in columns:
        if found := _NUMBERED.fullmatch(column):
            numbered.setdefault(found[1], []).append(column)
    families: dict[str, list[str]] = {}
    for stem, some in numbered.items():
        bare = stem if stem in columns else re.sub(r"[\W_]$", "", stem)
        begins = bare in columns and bare not in families and all(one.removeprefix(stem).strip("0") for one in some)
        if len(some) > 1:
            families[bare if begins else stem] = [bare, *some] if begins else some
    return families


def _begun(key: str, columns: Sequence[str], *, exactly: bool) -> list[str]:
    """The columns whose names start with a key; of a key that is itself a column, those that are numbered after it."""
    if not exactly:
        return [column for column in columns if column.startswith(key)]
    some = _families(columns).get(key, [])
    return some if key in some else []


def _others(columns: Sequence[str], reason: str) -> list[str]:
    more = len(columns) - _LISTED
    return [_why(column, reason) for column in columns[:_LISTED]] + [f"{more} more ({reason})"] * (more > 0)


def _why(column: str, reason: str) -> str:
    if column in ("", "Unnamed: 0"):
        return "the first column (an index)"
    return f"{column[:60]} ({'an index' if is_index(column) else reason})"


def _given(column: str) -> str:
    return f"{column} (labels or groups)"


def _some_float(name: str, types: Mapping[str, Any], columns: Sequence[str]) -> tuple[str, ...]:
    """The columns; raises UserError if all of them are whole numbers."""
    if not any(is_float(types[column]) for column in columns):
        floating(f"{name}::{columns[0]}", str(types[columns[0]]))
    return tuple(columns)


def listed(columns: Sequence[str]) -> str:
    """Columns by their names, many of them by the first and the last.

    >>> listed(["a", "b"]), listed(["x0", "x1", "x2", "x3"])
    ('a, b', 'x0 to x3')
    """
    names = [column[:60] for column in columns]
    return ", ".join(names) if len(names) < 4 else f"{names[0]} to {names[-1]}"


def is_index(column: str) -> bool:
    """Whether a column has the name that pandas gives to an index without one.

    >>> is_index(""), is_index("Unnamed: 0"), is_index("label")
    (True, True, False)
    """
    return _INDEX.fullmatch(column) is not None


def is_float(kind: Any) -> bool:
    return str(kind) in ("float", "double", "halffloat")


def is_int(kind: Any) -> bool:
    return bool(re.fullmatch(r"u?int\d+", str(kind)))


def item_of(kind: Any) -> Any:
    """The type of a list's items, or None for what is not a list."""
    storage = getattr(kind, "storage_type", kind)
    return storage.value_type if re.match(r"(large_|fixed_size_)?list", str(storage)) else None


def is_text(kind: Any) -> bool:
    return str(kind) in _TEXT


def _unwrapped(kind: Any) -> tuple[int, Any]:
    """How many lists are around the items of a column, and the type of these items."""
    around = max(len(getattr(kind, "shape", ())) - 1, 0)  # a tensor of several axes is stored as one list
    inner = getattr(kind, "storage_type", kind)
    while (item := item_of(inner)) is not None:
        around, inner = around + 1, getattr(item, "storage_type", item)
    return around, inner


def _refuse_nested(name: str, types: Mapping[str, Any], floats: Sequence[str] = ()) -> None:
    """Raise a UserError for a column that has more than one list of items a row, or fields, or pairs.

    Beside columns of floats only several vectors a row are refused, and beside numbered ones nothing.
    """
    from pyarrow.types import is_nested

    for column, kind in types.items():
        around, item = _unwrapped(kind)
        vectors = around > 1 and (is_float(item) or str(item) == "int8") and not _families(floats)
        if vectors or (not floats and (around > 1 or is_nested(item))):
            held, way = " ".join(str(kind).split())[:80], ", or leave it out" if floats else ""
            raise UserError(
                f"{name}::{column} holds {held}, no flat lists: pool or flatten it to one vector per row{way}."
            )


def _is_vector(batch: Any, column: str, kind: Any) -> bool:
    """Lists of floats or of bytes, or words that are such lists."""
    around, item = _unwrapped(kind)
    if around:
        return around == 1 and (is_float(item) or str(item) == "int8")
    if not is_text(kind):
        return False
    word = next((word for word in batch.column(column).to_pylist() if word), "")
    return word.lstrip()[:1] == "[" and word.rstrip()[-1:] == "]"


def _is_loose(batch: Any, column: str, kind: Any) -> bool:
    """Words that are numbers apart by spaces or commas, without brackets, some of them fractions."""
    if not is_text(kind):
        return False
    cells = next((word for word in batch.column(column).to_pylist() if word), "").replace(",", " ").split()
    return len(cells) > 1 and "." in "".join(cells) and all(map(is_number, cells))


def _numpy_name(kind: Any) -> str:
    return {"float": "float32", "double": "float64", "halffloat": "float16"}.get(str(kind), str(kind))


def parsed(name: str, words: Sequence[str]) -> list[list[float]]:
    """The vectors that words hold, such as "[0.1, 0.2]", or as numpy prints them.

    >>> parsed("z.csv", ["[0.5, 2]", "[0.5  2. ]", "0.5 2"])
    [[0.5, 2.0], [0.5, 2.0], [0.5, 2.0]]
    """
    rows = []
    for word in words:
        inside = word.strip()
        if "..." in inside:
            raise UserError(f"{name} holds vectors that were shortened to '...': write all of their numbers.")
        try:
            if inside[:1] == "[" and inside[-1:] == "]":
                inside = inside[1:-1]
            rows.append([float(number) for number in inside.replace(",", " ").split()])
        except ValueError:
            raise UserError(f"{name} holds {word[:30]!r}, no vector: write each as [0.1, 0.2].") from None
    return rows
