"""Every image is decoded once, to the last byte, before anything is trained on it."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

from rich.console import Console

from fullrank.data.decode import read_raw, reason, strict_decoding
from fullrank.data.files.look import Look, look_at
from fullrank.data.options import DataOptions
from fullrank.terminal import watched


def check(files: list[str], options: DataOptions, say: Callable[[str], None]) -> list[Look]:
    """Decode each file once, all its pages where these are images."""
    one = partial(_check_one, every=options.pages == "all", channels=options.channels)
    with strict_decoding(options.max_pixels), ThreadPool(os.cpu_count()) as pool:
        looks = pool.imap(one, files, chunksize=16)
        shown = watched(looks, len(files), "Checking", "images", console=Console(stderr=True), tell=say)
        return list(shown)


def _check_one(file: str, every: bool, channels: int | None) -> Look:
    path = Path(file)
    try:
        raws = [read_raw(path, shrink=lambda width, height: 8)]
        if every:
            raws += [read_raw(path, page=page) for page in range(1, raws[0].frames)]
        return look_at(raws, channels)
    except Exception as error:  # decoders raise anything
        empty = path.is_file() and path.stat().st_size == 0
        return Look(problem="empty file" if empty else reason(error))
