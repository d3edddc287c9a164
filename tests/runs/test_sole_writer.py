"""One process writes to a run; its lock dies with it, and so does what it left half-written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fullrank.errors import UserError
from fullrank.runs import sole_writer

HOLD = """
import sys, time
from pathlib import Path
from fullrank.runs import sole_writer
with sole_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_until_the_first_has_died(tmp_path: Path) -> None:
    first = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "held\n"
    refused = pytest.raises(UserError, match=rf"is being written by another process \(process {first.pid} on ")
    with refused, sole_writer(tmp_path):
        pass
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    with sole_writer(tmp_path):
        assert (tmp_path / ".lock").read_text().startswith(f"process {os.getpid()} on ")
    assert [*tmp_path.iterdir()] == []


def test_what_dead_processes_left_is_removed_and_what_living_ones_write_is_not(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / "checkpoints").mkdir()
    left = [
        f".config.json.{dead.pid}.part",
        f"checkpoints/.last.ckpt.{dead.pid}.part",
        "checkpoints/.last.ckpt.part",
    ]
    kept = [f".report.html.{os.getppid()}.part", ".mine.part.txt", "config.json"]
    for name in [*left, *kept]:
        (tmp_path / name).write_text("half")
    with sole_writer(tmp_path):
        assert not any((tmp_path / name).exists() for name in left)
        assert all((tmp_path / name).exists() for name in kept)


def test_a_lock_that_is_a_link_is_refused_and_its_target_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "mine.txt")
    with pytest.raises(UserError, match=r"\.lock is a link: delete it"), sole_writer(tmp_path / "run"):
        pass
    assert (tmp_path / "mine.txt").read_text() == "mine"
