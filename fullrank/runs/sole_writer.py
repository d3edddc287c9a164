"""One process at a time writes to a run: a lock that dies with its process, and what dead processes left."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from fullrank.errors import UserError
from fullrank.runs.files import full_disk_is_an_error
from fullrank.runs.reading import require_file

_LEFT = re.compile(r"\..+?(?:\.(?P<process>\d+))?\.part")  # the name of a file that is being written


@contextmanager
def sole_writer(run: Path) -> Iterator[None]:
    """During the body no other process writes to this run; if one does, a UserError is raised.

    The system takes the lock back when its process ends, however it ends. Half-written files of processes that have
    ended are removed. Where a file system has no locks, none is held.
    """
    with full_disk_is_an_error(run):
        file = _locked(run)
    try:
        _remove_leftovers(run)
        yield
    finally:
        with suppress(OSError):
            (run / ".lock").unlink(missing_ok=True)
        file.close()


def _locked(run: Path) -> IO[str]:
    import fcntl  # here, since Windows has none

    path = run / ".lock"
    if path.is_symlink():  # its target would be emptied
        raise UserError(f"{path} is a link: delete it.")
    require_file(path)
    while True:
        file = path.open("a+", encoding="utf-8")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # of the process: one that it forks does not have it
        except (BlockingIOError, PermissionError):
            file.seek(0)
            who = file.read(200).strip() or "it"
            file.close()
            raise UserError(
                f"{run} is being written by another process ({who}): wait for its end, or stop it first."
            ) from None
        except OSError:
            return file
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}")
                file.flush()
                return file
        file.close()  # who held it has just removed it


def _remove_leftovers(run: Path) -> None:
    for folder in (run, run / "checkpoints"):
        for path in folder.glob(".*.part"):
            named = _LEFT.fullmatch(path.name)
            if named and not _lives(named["process"]):
                path.unlink(missing_ok=True)


def _lives(process: str | None) -> bool:
    """Whether there is another process of this number."""
    if process is None or int(process) == os.getpid():
        return False
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
