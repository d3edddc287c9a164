"""A run is a folder; everything in it is written beside and renamed into place, and never over another run."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fullrank.errors import UserError
from fullrank.runs.kind import goes_on_by
from fullrank.runs.reading import is_run, parse_json, read_json, read_text, require_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STREAMS = ("/dev/std", "/dev/fd/", "/proc/")  # also where they lead to a file
_STEPS = 2**53  # more than any training makes; from there on they could not be drawn


@contextmanager
def full_disk_is_an_error(path: Path) -> Iterator[None]:
    """Turn the system's errors about writing into one sentence about `path`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"No space left on the disk while writing {path}: free some space or pass --out on another disk; "
                "what was written before is intact."
            ) from error
        raise UserError(f"{path} cannot be written ({error.strerror}): {_remedy(error)}.") from error


def _remedy(error: OSError) -> str:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return "its folder has gone, or cannot be made, so pass --out with another"
    if error.errno == errno.EFBIG:
        return "raise the limit of the size of files (ulimit -f)"
    return "pass --out with a folder of yours"


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then rename it into place: never half a file, also after a power cut.

    A link is replaced and not followed. A device, a pipe, and what /dev/stdout leads to are written to as they are.
    """
    if _is_stream(path):
        with full_disk_is_an_error(path):
            write(path)
        return
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with full_disk_is_an_error(path):
        try:
            beside.unlink(missing_ok=True)  # a link would be written through
            write(beside)
            _sync(beside)
            os.replace(beside, path)
            _sync(path.parent)
        finally:
            beside.unlink(missing_ok=True)


def _is_stream(path: Path) -> bool:
    return str(path.absolute()).startswith(_STREAMS) or (path.exists() and not path.is_file() and not path.is_dir())


def _sync(path: Path) -> None:
    """Have the disk hold what was written to a file, or the names in a folder."""
    if os.name == "nt" and path.is_dir():  # it opens no folder
        return
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot
            raise
    finally:
        os.close(number)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file atomically; NaN is refused, since no JSON reader accepts it."""
    text = json.dumps(content, indent=2, allow_nan=False, default=str) + "\n"
    replace(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_npz(path: Path, arrays: Mapping[str, NDArray[Any]], *, compressed: bool = False) -> None:
    """Write arrays by name to an .npz file atomically."""
    import numpy as np  # here, so that the command line starts without it

    save: Callable[..., None] = np.savez_compressed if compressed else np.savez

    def write(beside: Path) -> None:
        with beside.open("wb") as file:  # numpy would add .npz to the name
            save(file, **arrays)

    replace(path, write)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl; a line that is damaged, or that a killed run left half-written, is left out."""
    rows = []
    require_file(path)  # also where it is a link to nowhere, which does not exist
    for line in read_text(path, errors="replace").split("\n") if path.exists() else []:
        with suppress(ValueError):
            row = parse_json(line)
            if _is_row(row):
                rows.append(row)
    return rows


def _is_row(row: object) -> bool:
    """Whether it is what a training writes at a step."""
    if not isinstance(row, dict) or type(row.get("step")) is not int or not 0 <= row["step"] < _STEPS:
        return False
    if row.get("kind") == "train":
        return _are_numbers(row.get("terms"))
    if row.get("kind") == "epoch":  # of a fine-tuning
        scores = [row.get(name) for name in ("epoch", "top1", "balanced")]
        return isinstance(row.get("top5", ""), int | float | None) and all(
            isinstance(one, int | float) for one in scores
        )
    if row.get("kind") == "evaluation":  # of a detector
        return isinstance(row.get("scores"), dict)
    return row.get("kind") == "monitor" and all(_are_numbers(row.get(name)) for name in ("backbone", "embedding"))


def _are_numbers(values: object) -> bool:
    """Whether it is a record of numbers, or of None where one is not known."""
    return isinstance(values, dict) and all(isinstance(value, int | float | None) for value in values.values())


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Replace a metrics.jsonl by these rows."""
    text = "".join(json.dumps(row, allow_nan=False) + "\n" for row in rows)
    replace(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Append one row to a metrics.jsonl in a single write."""
    with full_disk_is_an_error(path), path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, allow_nan=False) + "\n")


def is_free(out: Path) -> bool:
    """Whether there is nothing at a place, or a folder without anything that a process wrote to its end."""
    return not out.exists() or (out.is_dir() and all(fnmatch(path.name, ".*.part") for path in out.iterdir()))


def refuse_used(out: Path) -> None:
    """Raise a UserError if there is something at `out`: a run is never written over another.

    Where it is a run that is not finished, the sentence has the command that goes on with it.
    """
    if is_free(out):
        return
    again = None
    with suppress(UserError):  # of a damaged one
        again = goes_on_by(out, read_json(out / "config.json")) if is_run(out) else None
    raise UserError(f"{out} exists already: pass another --out{f', or go on with `{again}`' if again else ''}.")


def new_run(out: Path | None, name: str) -> Path:
    """Make the folder of a new run: `out`, or the first free runs/NAME-1, runs/NAME-2, ..."""
    with full_disk_is_an_error(out or Path("runs")):
        if out is not None:
            refuse_used(out)
            out.mkdir(parents=True, exist_ok=True)
            return out
        number = 1
        while True:
            path = Path("runs") / f"{name}-{number}"
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                number += 1
                continue
            return path
