"""The place of a run goes, is full or cannot be written to: one sentence, and what is whole stays."""

from __future__ import annotations

import errno
import resource
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fullrank.cli import main
from fullrank.engine.progress import Progress

pytestmark = pytest.mark.slow

TRAIN = ["train", "vicreg", "--data", "digits", "--steps", "4", "--probe", "50", "--workers", "0"]


def one_sentence(said: str) -> str:
    """The last line, which is the only one of FullRank's errors; there is no traceback."""
    assert "Traceback" not in said
    lines = [line for line in said.splitlines() if line.startswith("fullrank:")]
    assert len(lines) == 1
    return lines[0]


def test_a_folder_that_is_deleted_while_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, show = tmp_path / "run", Progress.show

    def deleted(self: Progress, row: dict[str, Any]) -> None:
        show(self, row)
        shutil.rmtree(run, ignore_errors=True)

    monkeypatch.setattr(Progress, "show", deleted)
    assert main([*TRAIN, "--monitor-every", "1", "--out", str(run)]) == 2
    assert "its folder has gone" in one_sentence(capsys.readouterr().err)


def test_files_may_not_grow_as_large_as_a_checkpoint(tmp_path: Path) -> None:
    def small_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    command = [sys.executable, "-m", "fullrank", *TRAIN, "--out", str(tmp_path / "run")]
    ended = subprocess.run(command, capture_output=True, text=True, preexec_fn=small_files, check=False)
    assert ended.returncode == 2
    assert "raise the limit of the size of files (ulimit -f)" in one_sentence(ended.stderr)


def test_a_run_that_was_killed_before_its_page_gets_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main([*TRAIN, "--out", str(run)]) == 0
    (run / "report.html").unlink()
    assert main(["train", "--resume", str(run)]) == 0
    assert "report.html" in capsys.readouterr().out
    assert (run / "report.html").exists()


def test_a_page_in_a_folder_that_only_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main([*TRAIN, "--out", str(run)]) == 0
    page = (run / "report.html").read_bytes()

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(run / "report.html"))

    with monkeypatch.context() as patched:
        patched.setattr("os.replace", read_only)
        assert main(["report", str(run)]) == 2
    assert "pass --out with a folder of yours" in one_sentence(capsys.readouterr().err)
    assert (run / "report.html").read_bytes() == page
