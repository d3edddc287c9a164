"""Every picture is decoded once, to the last byte, before anything is trained on it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from multiprocessing.pool import ThreadPool
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from fullrank.data.images import read_picture, reason, strict_decoding

_QUIET_SECONDS = 2.0  # a check that is faster shows nothing
_LINE_SECONDS = 10.0  # between two lines where there is no terminal


def check(files: list[Path], say: Callable[[str], None]) -> list[tuple[str, str]]:
    """Decode each file once: its mode and "", or "" and what is wrong with it."""
    with strict_decoding(), ThreadPool(os.cpu_count()) as pool:
        return list(_shown(pool.imap(_check_one, files, chunksize=16), len(files), say))


def _check_one(path: Path) -> tuple[str, str]:
    try:
        return read_picture(path, small=True).mode, ""
    except Exception as error:  # decoders raise anything
        return "", "empty file" if path.is_file() and path.stat().st_size == 0 else reason(error)


def _shown(results: Iterable[tuple[str, str]], total: int, say: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """Pass the results on, with a progress bar (or lines, where there is no terminal) if it takes long."""
    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("checking pictures", total=total)
    due = time.monotonic() + _QUIET_SECONDS
    with ExitStack() as stack:
        for done, result in enumerate(results, start=1):
            yield result
            bar.update(task, completed=done)
            if time.monotonic() < due:
                continue
            if sys.stderr.isatty():
                stack.enter_context(bar)
                due = float("inf")  # it refreshes itself
            else:
                say(f"checked {done:,} of {total:,} pictures")
                due = time.monotonic() + _LINE_SECONDS
