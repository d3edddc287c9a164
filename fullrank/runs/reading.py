"""Reading what may have been edited, damaged or made by somebody else, in one sentence where it cannot be read."""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from fullrank.errors import UserError, suggest
from fullrank.runs.kind import require_training

Record = TypeVar("Record")

NOTE = "fullrank.json"  # of an export: what it is of

_LARGEST = 2**26  # bytes of a JSON file
_LARGEST_TEXT = 2**32  # of rows, names or labels
_RECORDS = ("data", "start", "run", "chosen", "settings")  # of config.json
_WORDS: Mapping[Any, str] = {
    **{int: "a whole number", float: "a number", bool: "True or False"},
    **{str: "a text", Path: "a path", NoneType: "None"},
}


@contextmanager
def read_as_run(place: Path) -> Iterator[None]:
    """During the body, what the files of a run should hold and do not is a UserError that names the run."""
    try:
        yield
    except (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        first = (str(error).strip() or "nothing").splitlines()[0][:120]
        raise UserError(
            f"{place} cannot be read as a run ({type(error).__name__}: {first}): restore its files; if they are as "
            "they were written, it is a defect of FullRank, and --debug shows where."
        ) from error


def is_run(place: Path) -> bool:
    """Whether a place is the folder of a run; one that cannot be looked at, or that no file can be named, is none.

    Nor is an export for a library that has a config.json of its own.

    >>> is_run(Path("a" * 300))
    False
    """
    return os.path.isfile(place / "config.json") and not os.path.isfile(place / NOTE)


def as_path(run: object) -> Path:
    """A path from what names a run; raises UserError for what cannot name one.

    >>> as_path(None)
    Traceback (most recent call last):
    fullrank.errors.UserError: A NoneType names no run: pass its folder, or what train returned.
    """
    if not isinstance(run, str | Path):
        raise UserError(f"A {type(run).__name__} names no run: pass its folder, or what train returned.")
    return Path(run)


def require_file(path: Path) -> None:
    """Raise UserError where something is at a place that is not a file, or that may not be read.

    Reading a pipe or a device may never end.

    >>> require_file(Path("/"))
    Traceback (most recent call last):
    fullrank.errors.UserError: / is not a file: put the file back that belongs there.
    """
    try:
        known = stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return
    except PermissionError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): ask its owner for the right to.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): put the file back that belongs there.") from None
    if not known:
        raise UserError(f"{path} is not a file: put the file back that belongs there.")
    if not os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
        raise UserError(f"{path} cannot be read ({os.strerror(errno.EACCES)}): ask its owner for the right to.")


def read_text(path: Path, *, errors: str = "strict") -> str:
    """The text of a file of rows, names or labels; raises UserError, before it is read, where it is larger than any.

    >>> read_text(Path("no/such/file"))
    Traceback (most recent call last):
    FileNotFoundError: [Errno 2] No such file or directory: 'no/such/file'
    """
    require_file(path)
    size = path.stat().st_size
    if size > _LARGEST_TEXT:
        raise UserError(f"{path} has {size / 2**30:,.1f} GB, more than any file of its kind: check what it is.")
    return path.read_text(encoding="utf-8-sig", errors=errors)


def parse_json(text: str) -> Any:
    """JSON without NaN, infinity and whole numbers beyond any float, which FullRank never writes; else a ValueError."""

    def number(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise ValueError(f"{digits[:20]} is not a finite number")
        return value

    def whole(digits: str) -> int:
        number(digits)
        return int(digits)

    try:
        return json.loads(text, parse_constant=number, parse_float=number, parse_int=whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file of a run; a missing, broken or huge one is a `UserError` that names it."""
    require_file(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError("it is larger than any that FullRank writes")
        content = parse_json(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(
            f"{path.parent} is not a run folder ({path.name} is missing): pass one that train made."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({str(error)[:200]}): restore it or train again.") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object: restore it or train again.")
    return content


def read_config(run: Path) -> dict[str, Any]:
    """Read the config.json of a training; raises UserError if what it must say is missing, or not of its kind."""
    path = run / "config.json"
    content = read_json(path)
    require_training(run, content)
    for name in ("recipe", "settings"):
        if name not in content:
            raise UserError(f"{path} has no {name}: restore it or train again.")
    for name in _RECORDS:
        if not isinstance(content.get(name, {}), dict):
            raise UserError(f"{path} holds no record for {name}: restore it or train again.")
    if not isinstance(content["recipe"], str):
        raise UserError(f"{path} names no recipe: restore it or train again.")
    return content


def record_of(kind: type[Record], values: Mapping[str, Any]) -> Record:
    """A record from what config.json says of its fields; those that it does not name have their defaults.

    Raise a UserError for a value of another kind.
    """
    hints = get_type_hints(kind)
    return kind(**{name: value_of(name, hints[name], value) for name, value in values.items() if name in hints})


def value_of(name: str, hint: Any, value: Any, *, argument: bool = False) -> Any:
    """A value of config.json, or an `argument` from Python, as the field has it.

    A list becomes a tuple, text a path where one is declared and a path text where none is, and a number of numpy one
    of Python. Raises UserError if it is of another kind.

    >>> value_of("projector", tuple[int, ...], [512, 256])
    (512, 256)
    >>> value_of("lr", float | None, "0.1", argument=True)
    Traceback (most recent call last):
    fullrank.errors.UserError: lr='0.1' is not what it can be: pass a number or None.
    """
    read = _plain(value, paths="Path" in str(hint))
    if _is(read, hint):
        return read
    if argument:
        remedy = suggest(str(value), _choices(hint), otherwise=f"pass {_in_words(hint)}.")
        raise UserError(f"{name}={repr(value)[:80]} is not what it can be: {remedy}")
    raise UserError(f"config.json says {name} is {str(value)[:80]!r}, which it cannot be: restore it.")


def _plain(value: Any, *, paths: bool) -> Any:
    """A value as settings have it."""
    if isinstance(value, list | tuple):
        return tuple(_plain(each, paths=paths) for each in value)
    if isinstance(value, str | Path):
        return Path(value) if paths else str(value)
    if type(value).__module__ == "numpy" and value.ndim == 0:
        value = value.item()
    if isinstance(value, Real) and not isinstance(value, bool):
        return int(value) if isinstance(value, Integral) else float(value)
    return value


def _choices(hint: Any) -> list[str]:
    """The words that a field may be, where they are counted up."""
    if get_origin(hint) is Literal:
        return [each for each in get_args(hint) if isinstance(each, str)]
    return [word for part in get_args(hint) for word in _choices(part)]


def _in_words(hint: Any) -> str:
    """What may be passed to a field, as a sentence has it.

    >>> _in_words(tuple[int, ...] | None), _in_words(Literal["warn", "stop"])
    ('a list, each of it a whole number or None', "'warn' or 'stop'")
    """
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Literal:
        return " or ".join(map(repr, parts))
    if kind in (Union, UnionType):
        return " or ".join(map(_in_words, parts))
    if kind is tuple:
        return f"a list, each of it {_in_words(parts[0])}"
    return _WORDS.get(hint, getattr(hint, "__name__", str(hint)))


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of the kind that a field is declared to be."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind is Literal:
        return value in parts
    if kind in (Union, UnionType):
        return any(_is(value, part) for part in parts)
    if kind is tuple:
        return isinstance(value, tuple) and all(_is(each, parts[0]) for each in value)
    if hint is float:
        return type(value) in (int, float)
    if hint is Path:
        return isinstance(value, Path)
    return type(value) is hint if hint in (int, bool, str, NoneType) else True
