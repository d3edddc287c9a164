"""The exit code is the command's own, whether or not somebody reads what it prints."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fullrank.cli import main
from tests.report.run_folders import write_run


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    z = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    for name, values in (("healthy", z), ("collapsed", 100 + 0.01 * z), ("permuted", z[::-1])):
        np.save(f"{name}.npy", values)
    write_run(tmp_path / "run")


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Standard output is a pipe whose reader has gone, without a buffer."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb", buffering=0) as raw:
        output = io.TextIOWrapper(raw, write_through=True)
        monkeypatch.setattr(sys, "stdout", output)
        yield
        output.detach()


@pytest.mark.usefixtures("unread")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["diagnose", "healthy.npy", "--no-report"], 0),
        (["diagnose", "collapsed.npy", "--no-report"], 1),
        (["diagnose", "collapsed.npy", "--no-report", "--json", "-"], 1),
        (["diagnose", "none.npy"], 2),
        (["compare", "healthy.npy", "healthy.npy"], 0),
        (["compare", "healthy.npy", "permuted.npy"], 1),
        (["compare", "healthy.npy", "permuted.npy", "--json", "-"], 1),
        (["report", "run"], 0),
        (["recipes"], 0),
        (["recipes", "vicreg"], 0),
        (["paper"], 0),
        (["--help"], 0),
    ],
    ids=lambda one: " ".join(one) if isinstance(one, list) else "",
)
def test_the_code_is_the_commands_own_when_the_reader_has_gone(arguments: list[str], code: int) -> None:
    assert main(arguments) == code


@pytest.mark.usefixtures("unread")
@pytest.mark.slow
def test_everything_is_written_though_nobody_reads() -> None:
    assert main(["diagnose", "collapsed.npy", "--out", "report", "--junit", "verdict.xml"]) == 1
    assert json.loads(Path("report/report.json").read_text())["verdict"] == "collapsed"
    assert Path("verdict.xml").exists()


@pytest.mark.parametrize("arguments", [["recipes", "--help"], ["diagnose", "none.npy", "--json", "-"]])
def test_without_a_standard_output_a_command_ends_as_with_one(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    assert main(arguments) == (2 if "none.npy" in arguments else 0)
    monkeypatch.undo()
    assert capsys.readouterr().err.count("\n") == int("none.npy" in arguments)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["healthy", "collapsed"])
def test_a_whole_process_ends_with_the_code_of_the_verdict_and_without_a_complaint(name: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "fullrank", "diagnose", f"{name}.npy", "--no-report"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (int(name == "collapsed"), "")
