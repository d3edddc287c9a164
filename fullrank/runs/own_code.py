"""Code of the user's own that a flag names, such as ./net.py:Net: its file is run to find it. No torch."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from fullrank.errors import UserError, suggest


@dataclass(frozen=True)
class Wanted:
    """What a file has to hold, in the words of the sentences about it."""

    kind: str
    role: str
    example: str


def absolute(name: str, wanted: Wanted) -> str:
    """The name with the whole path of its file; raises UserError where there is none.

    >>> absolute("nowhere.py:Net", Wanted("class", "is the backbone", "./net.py:Net"))
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no file nowhere.py: pass the path of a file and a class in it, as in ...
    """
    file, _, made = name.rpartition(":") if ".py:" in name else (name, "", "")
    how = f"the path of a file and a {wanted.kind} in it, as in {wanted.example}"
    if not Path(file).is_file():
        raise UserError(f"There is no file {file}: pass {how}.")
    if not made:
        raise UserError(f"{name} does not say which {wanted.kind} {wanted.role}: pass {how}.")
    return f"{Path(file).resolve()}:{made}"


def called(name: str, offered: Mapping[str, Any], wanted: Wanted, fits: Callable[[Any], bool]) -> Any:
    """Run the file of an absolute name, and call what it names with those of the offered arguments that it takes.

    Of what is in the file, that which `fits` is suggested where there is nothing of this name.
    """
    path, _, made = name.rpartition(":")
    code = _run(Path(path))
    make: Callable[..., Any] | None = getattr(code, made, None)
    if not callable(make):
        near = suggest(
            made, [each for each, value in vars(code).items() if fits(value)], otherwise="check its spelling."
        )
        raise UserError(f"{path} has no {wanted.kind} {made}: {near}")
    try:
        known = inspect.signature(make).parameters
        return make(**{word: value for word, value in offered.items() if word in known})
    except TypeError as error:
        *words, last = offered
        raise UserError(
            f"{name} cannot be called without arguments, or with {', '.join(words)} and {last} ({error}): give the "
            "others defaults."
        ) from error


def _run(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"fullrank_own_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    code = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = code
    try:
        spec.loader.exec_module(code)
    except Exception as error:  # a file of the user's raises anything
        raise UserError(f"{path} cannot be run ({type(error).__name__}: {error}): repair it.") from error
    return code
