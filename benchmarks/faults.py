"""What a run survives: killed, signalled and damaged at random moments, gone on with, compared with one left alone.

`python -m benchmarks.faults --tries 100` writes docs/results/faults.json, from which `make docs` makes the table of
docs/reliability.md. A try is survived if the exit code is right, the run goes on, ends bit for bit as the one that was
left alone, and nothing half-written lies in its folder or in the temporary one.
"""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import tyro

from fullrank.cli import main
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.sealed import is_sealed
from fullrank.errors import UserError
from fullrank.nn import load_encoder
from fullrank.runs import sole_writer

SMALL = [
    "--data",
    "digits",
    "--image-size",
    "8",
    "--batch-size",
    "32",
    "--probe",
    "16",
    "--steps",
    "18",
    "--lr",
    "0.01",
]
OFTEN = ["--checkpoint-every", "3", "--monitor-every", "6", "--warmup-epochs", "0.1"]
RECIPES: dict[str, tuple[str, ...]] = {
    "byol": (),
    "moco": (),
    "corinfomax": (),
    "nnclr": (),
    "swav": (),
    "dino": (),
    "intl": ("--teacher", "0.99", "--crops", "2x8,6"),
    "simclr": ("--accumulate", "2", "--w2", "0.5"),
}
STOPS = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGINT)
HANGS = 120.0  # seconds after which a process that should end has hung


@dataclass
class Row:
    """One fault: how often it was put in, and how often the run survived; and in which ways it did not."""

    fault: str
    tries: int = 0
    survived: int = 0
    failures: tuple[str, ...] = ()

    def count(self, failure: str | None) -> None:
        """Count a try."""
        self.tries += 1
        self.survived += failure is None
        if failure is not None:
            self.failures = (*self.failures, failure)
            print(f"  {self.fault}: {failure}", flush=True)


def command(recipe: str, out: Path, *more: str) -> list[str]:
    """The training of a recipe, small."""
    return ["train", recipe, *SMALL, *OFTEN, *RECIPES[recipe], *more, "--out", str(out)]


def forked(arguments: list[str], log: Path) -> int:
    """The number of a new process that runs this command; it need not import anything."""
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.setsid()
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(target, 1)
        os.dup2(target, 2)
        code = main(arguments)
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 70
    finally:
        os._exit(code)


def ended(process: int) -> int | None:
    """Its exit code, negative for a signal, or None if it hangs and had to be killed."""
    deadline = time.monotonic() + HANGS
    while time.monotonic() < deadline:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def wholes(folder: Path) -> Iterator[tuple[str, bytes, float]]:
    """Each recipe, the bytes of its encoder when it is left alone, and the seconds that takes."""
    for recipe in RECIPES:
        begun = time.monotonic()
        assert ended(forked(command(recipe, folder / recipe), folder / "log")) == 0, (folder / "log").read_text()
        yield recipe, (folder / recipe / "encoder.safetensors").read_bytes(), time.monotonic() - begun


def gone_on(run: Path, again: list[str], whole: bytes, log: Path) -> str | None:
    """Go on with a run to its end; what is wrong with it then."""
    begun = (run / "config.json").exists()
    if begun and (run / "report.html").exists():
        code: int | None = 0
    else:
        code = ended(forked(["train", "--resume", str(run)] if begun else again, log))
    if code != 0:
        return f"went on with exit code {code}: {log.read_text()[-300:]}"
    if (run / "encoder.safetensors").read_bytes() != whole:
        return "ends otherwise"
    left = [path.name for path in run.rglob(".*")]
    left += [path.name for path in Path(tempfile.gettempdir()).iterdir()]
    return f"left {left}" if left else None


def struck(number: signal.Signals, row: Row, at: int, known: list[tuple[str, bytes, float]], folder: Path) -> None:
    """Send a signal to one process at a random moment, its recipe being that of the number of the try."""
    recipe, whole, seconds = known[at % len(known)]
    run, log = folder / "run", folder / "log"
    shutil.rmtree(run, ignore_errors=True)
    log.unlink(missing_ok=True)
    again = command(recipe, run)
    process = forked(again, log)
    time.sleep(random.Random(f"{number} {at}").random() * seconds)
    os.kill(process, number)
    code = ended(process)
    right = {0, -number if number == signal.SIGKILL else 128 + number}
    asked = log.exists() and "stopping after this step" in log.read_text()
    if not asked:  # before its first step, or after its last, when there is nothing to save
        right.add(130 if number == signal.SIGINT else -number)
    failure = "hung" if code is None else None if code in right else f"exit code {code}"
    row.count(failure or gone_on(run, again, whole, log))


def two_processes(row: Row, number: signal.Signals, tries: int, folder: Path, *, whom: str) -> None:
    """Send a signal to the first, the second or both of two processes that train together."""
    fullrank = [sys.executable, "-m", "fullrank.cli"]
    out = folder / "two"
    shutil.rmtree(out, ignore_errors=True)
    flags = ("--devices", "2", "--steps", "60")
    subprocess.run([*fullrank, *command("byol", out, *flags)], check=True, capture_output=True)
    whole = (out / "encoder.safetensors").read_bytes()
    for at in range(tries):
        run = folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        process = subprocess.Popen(
            [*fullrank, *command("byol", run, *flags)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        while not last_checkpoint(run).exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(random.Random(at).random() * 0.5)
        send: Callable[[int, int], None] = os.killpg if whom == "both" else os.kill
        send(second_of(process.pid) if whom == "the second" else process.pid, number)
        try:
            said, _ = process.communicate(timeout=HANGS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            row.count("hung")
            continue
        right = {0, 128 + number} if number != signal.SIGKILL else None
        if right is not None and process.returncode not in right:
            row.count(f"exit code {process.returncode}: {said[-300:]}")
            continue
        if not (run / "report.html").exists():
            subprocess.run([*fullrank, "train", "--resume", str(run)], capture_output=True, timeout=600, check=False)
        file = run / "encoder.safetensors"
        row.count(None if file.exists() and file.read_bytes() == whole else "ends otherwise, or not")


def second_of(process: int) -> int:
    """The process that a training on two devices has started."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    return next(int(child) for child in children if "fullrank.cli" in Path(f"/proc/{child}/cmdline").read_text())


def flipped(row: Row, path: Path, tries: int, noticed: Callable[[Path], object]) -> None:
    """Flip one bit of a file, so many times: it must be noticed."""
    whole = path.read_bytes()
    chosen = random.Random(path.name)
    padding = range(0)
    if path.suffix == ".safetensors":
        length = int.from_bytes(whole[:8], "little")
        padding = range(8 + len(whole[8 : 8 + length].rstrip()), 8 + length)  # spaces, which say nothing
    for _ in range(tries):
        at = chosen.choice([chosen.randrange(len(whole)) for _ in range(2)])
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
    """Go on with a run that another process writes to: it must be refused."""
    for _ in range(tries):
        with sole_writer(run):
            (run / "report.html").unlink(missing_ok=True)
            (run / "result.json").rename(run / "kept.json")
            code = ended(forked(["train", "--resume", str(run)], run.parent / "log"))
            (run / "kept.json").rename(run / "result.json")
        row.count(None if code == 2 else f"exit code {code}")


def all_rows(tries: int, twice: int, minutes: float, folder: Path) -> list[Row]:
    """Every fault: `tries` kills and bits, a share of them each signal, and `twice` with two processes."""
    rows: list[Row] = []

    def row(fault: str) -> Row:
        rows.append(Row(fault))
        print(f"{fault} ...", flush=True)
        return rows[-1]

    until = time.monotonic() + 60 * minutes
    known = list(wholes(folder))
    run = folder / known[0][0]
    flipped(row("one bit flipped in the last checkpoint"), last_checkpoint(run), tries, is_sealed)
    flipped(row("one bit flipped in encoder.safetensors"), run / "encoder.safetensors", tries, load_encoder)
    second_writer(row("a second process goes on with the same run"), run, max(1, tries // 20))
    kills = {signal.SIGKILL: row("kill -9 at a random moment, one process")}
    stops = {number: row(f"{number.name} at a random moment, one process") for number in STOPS}
    for at in range(tries):
        for number, its in (kills | (stops if at % 20 in (0, 7, 14) else {})).items():  # 15 % of the tries each
            if time.monotonic() < until:
                struck(number, its, at, known, folder)
    if twice:
        for whom in ("the first", "both"):
            two_processes(row(f"SIGTERM to {whom} of two processes"), signal.SIGTERM, twice, folder, whom=whom)
        for whom in ("the first", "the second"):
            two_processes(row(f"kill -9 of {whom} of two processes"), signal.SIGKILL, twice, folder, whom=whom)
    return rows


def faults(tries: int = 100, twice: int = 4, minutes: float = 120, out: Path = Path("docs/results/faults.json")) -> int:
    """Put all faults in, and write the table.

    Args:
        tries: kills, and flipped bits of each file; signals are 60 % of it, over four kinds.
        twice: tries of each fault of two processes.
        minutes: after which no more kills and signals of one process are tried; what was tried is counted.
        out: the JSON file.
    """
    for module in ("training.fit", "report", "report.runs.page", "evaluation.evaluate", "watch"):
        import_module(f"fullrank.{module}")  # once, for all processes that are forked
    gc.collect()
    gc.freeze()
    place = tempfile.TemporaryDirectory(dir=out.parent.resolve())
    folder = Path(place.name)
    (folder / "tmp").mkdir()
    os.environ |= {"TMPDIR": str(folder / "tmp"), "XDG_STATE_HOME": str(folder / "state")}
    tempfile.tempdir = None
    with place:
        rows = all_rows(tries, twice, minutes, folder)
    made = {"fullrank": version("fullrank"), "recipes": [*RECIPES], "rows": [asdict(row) for row in rows]}
    out.write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
    return 0 if all(row.survived == row.tries for row in rows) else 1


if __name__ == "__main__":
    sys.exit(tyro.cli(faults))
