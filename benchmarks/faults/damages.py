"""Flipped bits, and a second process that goes on with a run."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.rows import Row
from benchmarks.faults.trainings import ended, forked
from fullrank.errors import UserError
from fullrank.runs import sole_writer


def flipped(row: Row, path: Path, tries: int, noticed: Callable[[Path], object]) -> None:
    """Flip one bit of a file, up to so many times: it must be noticed."""
    whole = path.read_bytes()
    padding = range(0)
    if path.suffix == ".safetensors":
        length = int.from_bytes(whole[:8], "little")
        padding = range(8 + len(whole[8 : 8 + length].rstrip()), 8 + length)  # spaces, which say nothing
    while row.tries < tries:
        chosen = random.Random(f"{path.name} {row.tries}")
        at = chosen.randrange(len(whole))
        while at in padding:
            at = chosen.randrange(len(whole))
        damaged = bytearray(whole)
        damaged[at] ^= 1 << chosen.randrange(8)
        path.write_bytes(damaged)
        try:
            noticed(path)
            row.count(f"byte {at} was not noticed")
        except UserError:
            row.count(None)
    path.write_bytes(whole)


def second_writer(row: Row, run: Path, tries: int) -> None:
    """Go on with a run that another process writes to, up to so many times: it must be refused."""
    while row.tries < tries:
        with sole_writer(run):
            (run / "report.html").unlink(missing_ok=True)
            (run / "result.json").rename(run / "kept.json")
            code = ended(forked(["train", "--resume", str(run)], run.parent / "log"))
            (run / "kept.json").rename(run / "result.json")
        row.count(None if code == 2 else f"exit code {code}")
