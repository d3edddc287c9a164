"""Small trainings of all recipes with a state, in processes that are forked, so that they need not import anything."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path

from fullrank.cli import main

SMALL = [
    *["--data", "digits", "--image-size", "8", "--batch-size", "32", "--probe", "16", "--steps", "18", "--lr", "0.01"],
    *["--checkpoint-every", "3", "--monitor-every", "6", "--warmup-epochs", "0.1"],
]
RECIPES: dict[str, tuple[str, ...]] = {
    "byol": (),
    "moco": (),
    "corinfomax": (),
    "nnclr": (),
    "swav": ("--queue", "64"),
    "dino": (),
    "intl": ("--teacher", "0.99", "--crops", "2x8,6"),
    "simclr": ("--accumulate", "2", "--w2", "0.5"),
    "moco_v3": (),
    "simdino": (),
    "tico": (),
    "cw_rgp": (),
    "lejepa": (),
    "visreg": (),
}
HANGS = 900.0  # seconds after which a process that should end has hung; a full machine makes some wait for long


def command(recipe: str, out: Path, *more: str) -> list[str]:
    """The training of a recipe, small."""
    return ["train", recipe, *SMALL, *RECIPES[recipe], *more, "--out", str(out)]


def forked(arguments: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> int:
    """The number of a new process that runs this command, with more variables in its environment."""
    process = os.fork()
    if process:
        return process
    code = 70
    try:
        os.setsid()
        os.environ |= environment or {}
        target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(target, 1)
        os.dup2(target, 2)
        code = main([*arguments])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 70
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def launched(arguments: Sequence[str], log: Path) -> list[int]:
    """Two processes that train together, as torchrun would start them on two machines with one process each."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"TORCHELASTIC_RUN_ID": "faults", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    return [forked(arguments, log, {**shared, "RANK": rank, "GROUP_RANK": rank}) for rank in ("0", "1")]


def ended(process: int, *, within: float = HANGS) -> int | None:
    """Its exit code, negative for a signal, or None if it hangs and had to be killed."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        found, status = os.waitpid(process, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return None


def gone_on(begin: Sequence[str], run: Path, log: Path, *, processes: int) -> list[int | None]:
    """Go on with a run to its end, or begin it where it has no folder yet; the exit codes."""
    arguments = ["train", "--resume", str(run)] if (run / "config.json").exists() else begin
    started = [forked(arguments, log)] if processes == 1 else launched(arguments, log)
    return [ended(process) for process in started]


class Whole:
    """The bytes of the encoder of each recipe that is left alone, and the seconds that takes, when first asked for."""

    def __init__(self, folder: Path, processes: int) -> None:
        self.folder = folder / f"whole-{processes}"
        self.folder.mkdir(exist_ok=True)
        self.processes = processes
        self._known: dict[str, tuple[bytes, float]] = {}

    def __call__(self, recipe: str) -> tuple[bytes, float]:
        """Of this recipe."""
        if recipe not in self._known:
            run, log, begun = self.folder / recipe, self.folder / "log", time.monotonic()
            shutil.rmtree(run, ignore_errors=True)
            codes = gone_on(command(recipe, run), run, log, processes=self.processes)
            assert codes == [0] * self.processes, log.read_text()
            self._known[recipe] = ((run / "encoder.safetensors").read_bytes(), time.monotonic() - begun)
        return self._known[recipe]
