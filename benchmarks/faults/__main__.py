"""`python -m benchmarks.faults`: put all faults in, and write the table."""

from __future__ import annotations

import gc
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import tyro

from benchmarks.faults.damages import flipped, second_writer
from benchmarks.faults.rows import Row, Table
from benchmarks.faults.strikes import STOPS, struck
from benchmarks.faults.trainings import RECIPES, Whole
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.sealed import is_sealed
from fullrank.nn import load_encoder

SIGNALS = 0.15  # of the tries of a kill, each of four signals is tried so often
OF_TWO = (
    (signal.SIGTERM, "SIGTERM to the first of two processes", (0,)),
    (signal.SIGTERM, "SIGTERM to both of two processes", (0, 1)),
    (signal.SIGKILL, "kill -9 of the first of two processes", (0,)),
    (signal.SIGKILL, "kill -9 of the second of two processes", (1,)),
)


def faults(
    tries: int = 100,
    twice: int = 14,
    minutes: float = 120,
    go_on: bool = False,
    out: Path = Path("docs/results/faults.json"),
) -> int:
    """Put all faults in, and write the table, which is kept after every try.

    Args:
        tries: kills, and flipped bits of each file; signals are 60 % of it, over four kinds.
        twice: tries of each fault of two processes.
        minutes: after which nothing more is tried; what was tried is counted.
        go_on: count on from the tries that the JSON file has.
        out: the JSON file.
    """
    for module in ("training.fit", "report", "report.runs.page", "evaluation.evaluate", "watch"):
        import_module(f"fullrank.{module}")  # once, for all processes that are forked
    gc.collect()
    gc.freeze()
    table, until = Table(out, go_on=go_on), time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory(dir=out.parent.resolve()) as place:
        folder = Path(place)
        (folder / "tmp").mkdir()
        os.environ |= {"TMPDIR": str(folder / "tmp"), "XDG_STATE_HOME": str(folder / "state")}
        tempfile.tempdir = None
        for _ in _tried(table, tries, twice, folder):
            table.keep()
            if time.monotonic() > until:
                break
    return 0 if all(row.survived == row.tries for row in table.rows) else 1


def _tried(table: Table, tries: int, twice: int, folder: Path) -> Iterator[None]:
    """Try one fault after the other, each as far as the others are, so that they can be left at any time."""
    one, two, first = Whole(folder, 1), Whole(folder, 2), next(iter(RECIPES))
    bits = [table.row(f"one bit flipped in {what}") for what in ("the last checkpoint", "encoder.safetensors")]
    another = table.row("a second process goes on with the same run")
    if any(row.tries < tries for row in bits):
        one(first)
        run = one.folder / first
        flipped(bits[0], last_checkpoint(run), tries, is_sealed)
        flipped(bits[1], run / "encoder.safetensors", tries, load_encoder)
        second_writer(another, run, max(1, tries // 20))
        yield
    signalled = {number: table.row(f"{number.name} at a random moment, one process") for number in STOPS}
    killed = table.row("kill -9 at a random moment, one process")
    wanted: list[tuple[Row, int, signal.Signals, Whole, tuple[int, ...]]] = [(killed, tries, signal.SIGKILL, one, (0,))]
    wanted += [(row, round(tries * SIGNALS), number, one, (0,)) for number, row in signalled.items()]
    wanted += [(table.row(fault), twice, number, two, whom) for number, fault, whom in OF_TWO]

    def left(row: Row, count: int) -> float:
        return 1 - row.tries / count if count else 0.0

    while True:
        row, count, number, whole, whom = max(wanted, key=lambda each: left(each[0], each[1]))
        if left(row, count) <= 0:
            return
        struck(row, number, whole, whom)
        yield


if __name__ == "__main__":
    sys.exit(tyro.cli(faults))
