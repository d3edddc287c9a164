"""Every picture is decoded once, to the last byte, before anything is trained on it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from fullrank.data.decode import read_raw, reason, strict_decoding
from fullrank.data.options import DataOptions
from fullrank.data.pictures.look import Look, look_at

_QUIET_SECONDS = 2.0  # a check that is faster shows nothing
_LINE_SECONDS = 10.0  # between two lines where there is no terminal


def check(files: list[str], options: DataOptions, say: Callable[[str], None]) -> list[Look]:
    """Decode each file once, all its pages where these are images."""
    one = partial(_check_one, every=options.pages == "all")
    with strict_decoding(options.max_pixels), ThreadPool(os.cpu_count()) as pool:
        return list(_shown(pool.imap(one, files, chunksize=16), len(files), say))


def _check_one(file: str, every: bool) -> Look:
    path = Path(file)
    try:
        raws = [read_raw(path, small=True)]
        if every:
            raws += [read_raw(path, page=page) for page in range(1, raws[0].frames)]
        return look_at(raws)
    except Exception as error:  # decoders raise anything
        empty = path.is_file() and path.stat().st_size == 0
        return Look(problem="empty file" if empty else reason(error))


def _shown(results: Iterable[Look], total: int, say: Callable[[str], None]) -> Iterator[Look]:
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
