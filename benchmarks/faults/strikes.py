"""Signals and kills at random moments, of one process and of two."""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.faults.rows import Row
from benchmarks.faults.trainings import RECIPES, Whole, command, ended, forked, gone_on, launched

STOPS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)


def struck(row: Row, number: signal.Signals, whole: Whole, whom: Sequence[int] = (0,)) -> None:
    """Send a signal to some processes of a training at a random moment; its recipe is that of the number of the try."""
    recipe = [*RECIPES][row.tries % len(RECIPES)]
    alone, seconds = whole(recipe)
    run, log = whole.folder / "run", whole.folder / "log"
    shutil.rmtree(run, ignore_errors=True)
    log.unlink(missing_ok=True)
    begin = command(recipe, run)
    processes = [forked(begin, log)] if whole.processes == 1 else launched(begin, log)
    time.sleep(random.Random(f"{row.fault} {row.tries}").random() * seconds)
    for one in whom:
        os.kill(processes[one], number)
    codes = _ended(processes, number, whom)
    row.count(_wrong(codes, number, whom, log) or _at_the_end(begin, run, log, alone, whole.processes))


def _ended(processes: Sequence[int], number: signal.Signals, whom: Sequence[int]) -> list[int | None]:
    """The exit codes of all; of one whose fellow died a launcher asks nothing but that it ends when it is killed."""
    codes = {one: ended(processes[one]) for one in whom}
    for one, process in enumerate(processes):
        if one not in codes:
            if number == signal.SIGKILL or codes[whom[0]] != 0:  # as torchrun, and srun --kill-on-bad-exit
                _kill(process)
            codes[one] = ended(process)
    return [codes[one] for one in range(len(processes))]


def _kill(process: int) -> None:
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline and not os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)


def _wrong(codes: Sequence[int | None], number: signal.Signals, whom: Sequence[int], log: Path) -> str | None:
    """What is wrong with the exit codes of a training that got a signal."""
    said = log.read_text() if log.exists() else ""
    if None in codes:
        return "hung"
    if "Traceback" in said:
        return f"a traceback: {said[-300:]}"
    right = {0, -number if number == signal.SIGKILL else 128 + number}
    if (
        "stopping after this step" not in said
    ):  # before its first step, or after its last, when there is nothing to save
        right.add(130 if number == signal.SIGINT else -number)
    bad = [codes[one] for one in whom if codes[one] not in right]
    return f"exit code {bad[0]}: {said[-300:]}" if bad else None


def _at_the_end(begin: Sequence[str], run: Path, log: Path, alone: bytes, processes: int) -> str | None:
    """Go on with a run to its end; what is wrong with it then."""
    finished = (run / "config.json").exists() and (run / "report.html").exists()
    codes = [0] if finished else gone_on(begin, run, log, processes=processes)
    if any(code != 0 for code in codes):
        return f"went on with exit codes {codes}: {log.read_text()[-300:]}"
    if (run / "encoder.safetensors").read_bytes() != alone:
        return "ends otherwise"
    left = [path.name for path in run.rglob(".*")]
    left += [path.name for path in Path(tempfile.gettempdir()).iterdir()]
    return f"left {left}" if left else None
