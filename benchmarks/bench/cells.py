"""The files of the bench, one for each training and one for what the whole folder is of, and its bad inputs."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fullrank.errors import UserError, suggest
from fullrank.runs import read_json, write_json


def begin(out: Path, about: Mapping[str, Any]) -> None:
    """Say once what the folder is of; raises UserError where it is of something else, since results do not mix."""
    path = out / "bench.json"
    if path.exists() and read_json(path) != about:
        raise UserError(f"{path} is of another bench, {read_json(path)}: pass another --out.")
    out.mkdir(parents=True, exist_ok=True)
    write_json(path, dict(about))


def keep(path: Path, found: Mapping[str, Any], *, packages: Sequence[str] = ()) -> None:
    """Write what was found beside the versions that found it, and print its accuracies."""
    versions = {package: version(package) for package in ("fullrank", "torch", *packages)}
    write_json(path, {**found, "versions": versions})
    print(f"{path.stem}: kNN {found['knn']:.3f}, linear {found['linear']:.3f}", flush=True)


def time_of_day(text: str) -> str:
    """HH:MM, for argparse."""
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        raise argparse.ArgumentTypeError(f"{text} is no time of the day: pass HH:MM, such as 21:05")
    return text


def require_names(asked: Sequence[str], known: Sequence[str]) -> None:
    """Raise a UserError for a name that the bench does not have."""
    for name in asked:
        if name not in known:
            others = f"pass one of {', '.join(known)}."
            raise UserError(f"--only {name}: {suggest(name, known, otherwise=others)}")


def exit_code(main: Callable[[], None]) -> int:
    """0, or 2 after bad input, of which one sentence is printed."""
    try:
        main()
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0
