"""Two launched machines with a process each train what one process trains, stop together, and go on when requeued."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import torch

from benchmarks.faults.trainings import SMALL, ended, forked, launched
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.sealed import read
from fullrank.runs import read_json

pytestmark = pytest.mark.slow

STATE = {"moco": "queue", "dino": "center", "corinfomax": "covariance"}  # what each keeps between steps

NO_BATCH_NORM = '''
"""The recipe NAME without batch norm, since on a CPU each process normalizes its own share."""
from dataclasses import dataclass
from torch import nn
from fullrank import recipes

@dataclass(frozen=True, kw_only=True)
class Plain(recipes.load("NAME")):
    def build(self, encoder):
        method = super().build(encoder)
        for part in [*method.modules()]:
            for name, child in part.named_children():
                if isinstance(child, (nn.BatchNorm1d, nn.BatchNorm2d)):
                    setattr(part, name, nn.Identity())
        return method
'''


def recipe(name: str, folder: Path) -> list[str]:
    """The command that trains a recipe without batch norm, but for its folder."""
    file = folder / f"plain_{name}.py"
    file.write_text(NO_BATCH_NORM.replace("NAME", name))
    return ["train", str(file), *SMALL, "--out"]


def alone(arguments: list[str], run: Path) -> Path:
    log = run.with_suffix(".log")
    assert ended(forked([*arguments, str(run)], log)) == 0, log.read_text()
    return run


def together(arguments: list[str], run: Path) -> Path:
    log = run.with_suffix(".log")
    assert [ended(process) for process in launched([*arguments, str(run)], log)] == [0, 0], log.read_text()
    return run


@pytest.mark.parametrize("name", STATE)
def test_two_nodes_train_what_one_process_trains(name: str, tmp_path: Path) -> None:
    """By plain gradients, and few of them: last bits grow with other optimizers, and where a ReLU is at its edge."""
    plain = ["--optimizer", "sgd", "--lr", "0.05", "--steps", "4"]
    arguments = [*recipe(name, tmp_path)[:-1], *plain, "--out"]
    one, two = alone(arguments, tmp_path / "one"), together(arguments, tmp_path / "two")
    options = read_json(two / "config.json")["run"]
    assert (options["devices"], options["nodes"]) == (1, 2)
    states = [read(last_checkpoint(run))["state_dict"] for run in (one, two)]
    assert any(STATE[name] in key for key in states[0])
    for key, value in states[0].items():  # the sums over a batch are split in two, so last bits of float32 differ
        largest = float(value.double().abs().max())
        torch.testing.assert_close(states[1][key], value, rtol=0, atol=2e-5 * largest)


def stopped(arguments: list[str], run: Path, number: signal.Signals, whom: tuple[int, ...]) -> list[int | None]:
    """Begin, send a signal to some of two processes once there is a checkpoint; the exit codes."""
    processes = launched([*arguments, str(run)], run.with_suffix(".log"))
    deadline = time.monotonic() + 120
    while not last_checkpoint(run).exists():
        assert time.monotonic() < deadline, run.with_suffix(".log").read_text()
        time.sleep(0.01)
    for one in whom:
        os.kill(processes[one], number)
    return [ended(process) for process in processes]


def go_on(run: Path) -> Path:
    log = run.with_suffix(".log")
    codes = [ended(process) for process in launched(["train", "--resume", str(run)], log)]
    assert codes == [0, 0], log.read_text()
    return run


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job of SLURM, whose scontrol notes what it is asked."""
    (tmp_path / "bin").mkdir()
    scontrol = tmp_path / "bin" / "scontrol"
    scontrol.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    scontrol.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    return tmp_path / "asked"


@pytest.mark.parametrize(("name", "warned"), [("corinfomax", (1,)), ("moco", (0, 1))])
def test_nodes_that_are_warned_unevenly_stop_at_one_step_are_queued_again_and_end_bit_equal(
    name: str,
    warned: tuple[int, ...],
    slurm: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fullrank.engine.signals._SECONDS", 0.0)  # the whole training takes less than one
    arguments = ["train", name, *SMALL, "--out"]
    whole = together(arguments, tmp_path / "whole")
    run = tmp_path / "stopped"
    codes = stopped(arguments, run, signal.SIGUSR1, warned)
    assert codes == [128 + signal.SIGUSR1, 0]
    assert "Stopped by SIGUSR1; nothing is lost." in capfd.readouterr().out
    assert slurm.read_text() == "requeue 4711\n"
    assert read(last_checkpoint(run))["global_step"] < 18
    go_on(run)
    assert (run / "encoder.safetensors").read_bytes() == (whole / "encoder.safetensors").read_bytes()


@pytest.mark.parametrize("killed", [0, 1])
def test_a_node_that_is_killed_ends_the_other_in_one_sentence_and_the_job_ends_bit_equal(
    killed: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["train", "dino", *SMALL, "--out"]
    whole = together(arguments, tmp_path / "whole")
    run = tmp_path / "killed"
    codes = stopped(arguments, run, signal.SIGKILL, (killed,))
    assert codes[killed] == -signal.SIGKILL
    assert codes[1 - killed] == 2
    said = capfd.readouterr().err
    assert "Another process of this training has ended" in said
    assert "Traceback" not in said
    go_on(run)
    assert (run / "encoder.safetensors").read_bytes() == (whole / "encoder.safetensors").read_bytes()
