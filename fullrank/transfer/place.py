"""Where an evaluation or a suite is kept: a folder that holds nothing else, with a mark in it until it is finished."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from fullrank.errors import UserError
from fullrank.runs import full_disk_is_an_error, read_json, write_json
from fullrank.runs.files import is_free
from fullrank.runs.reading import is_run
from fullrank.transfer.task import Wanted

Kind = Literal["evaluation", "suite"]
MARK = "unfinished.json"
SCRATCH = ".features"  # a folder of this name is removed with all that is in it


def known_folder(wanted: Wanted, name: str, out: Path | None) -> Path | None:
    """Where an evaluation is kept: `out`, or in RUN/transfer for a run; None where a new folder is to be made."""
    run = Path(wanted.source)
    return out or (run / "transfer" / in_a_path(name) if is_run(run) else None)


def in_a_path(name: str) -> str:
    """A name as that of a folder.

    >>> in_a_path("intl/cifar-one, two")
    'intl-cifar-one-two'
    """
    return name.replace("/", "-").replace(", ", "-").replace(" ", "-")


def refuse_others(folder: Path, kind: Kind) -> None:
    """Raise a UserError for a folder with anything but an evaluation, or a suite, whether it is finished or not."""
    if not is_free(folder) and not _holds(folder, kind):
        what = "an evaluation" if kind == "evaluation" else "a suite"
        raise UserError(f"{folder} holds something else than {what}: pass another --out.")


def _holds(folder: Path, kind: Kind) -> bool:
    for file in (folder / "result.json", folder / MARK):
        if file.is_file():
            return bool(read_json(file).get("kind") == kind)
    return folder.is_dir() and _without_mark(folder, kind)


def _without_mark(folder: Path, kind: Kind) -> bool:
    """Whether it was left unfinished by version 0.2.0, or is a suite whose data sets were evaluated one by one."""
    parts = [part for part in folder.iterdir() if part.name != ".lock"]
    if kind == "suite":
        return all(part.is_dir() and (is_free(part) or _holds(part, "evaluation")) for part in parts)
    heads = [part for part in parts if re.fullmatch(r"linear-\d+", part.name) and (part / "checkpoints").is_dir()]
    return bool(heads) and all(part in heads or part.name == "features" for part in parts)


def begin(folder: Path, kind: Kind) -> None:
    """Make a folder, and mark it as unfinished."""
    with full_disk_is_an_error(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / MARK, {"kind": kind})


def end(folder: Path) -> None:
    """Take the mark away."""
    (folder / MARK).unlink(missing_ok=True)
