"""A training in a process of its own that is killed between two checkpoints."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from fullrank.runs import read_rows


def killed(command: Sequence[str], run: Path, environment: Mapping[str, str], *, patience: float = 300) -> None:
    """Run a command that writes to `run`, and kill it at its tenth step, so that it leaves no result."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + patience
    while not any(row["step"] >= 10 for row in read_rows(run / "metrics.jsonl")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (run / "result.json").exists()
