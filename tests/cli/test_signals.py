"""A run that is asked to stop saves, says how to go on, and ends with 128 and the signal's number."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from fullrank.cli import main
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.progress import Progress
from fullrank.engine.rows import Rows
from fullrank.nn import encoder, encoder_bytes
from fullrank.runs import read_json, read_rows
from tests.detection.sets import coco
from tests.transfer.made import write_source

FLAGS = ["--data", "digits", "--image-size", "8", "--batch-size", "32", "--probe", "16", "--projector", "16", "8"]


def signalled(monkeypatch: pytest.MonkeyPatch, number: int, times: int) -> None:
    """Send this process a signal so many times when step 10 is shown."""

    def show(self: Progress, row: dict[str, Any]) -> None:
        if row["step"] == 10:
            for _ in range(times):
                os.kill(os.getpid(), number)

    monkeypatch.setattr(Progress, "show", show)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
def test_a_signal_stops_after_the_step(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    number = signal.Signals[name]
    before = signal.getsignal(number)
    signalled(monkeypatch, number, 1)
    run = tmp_path / "run"
    assert main(["train", "vicreg", *FLAGS, "--steps", "40", "--out", str(run)]) == 128 + number
    said = capfd.readouterr()
    assert f"fullrank: {name}: stopping after this step" in said.err
    assert f"Stopped by {name}; nothing is lost. Go on with: fullrank train --resume {run}" in " ".join(
        said.out.split()
    )
    assert torch.load(last_checkpoint(run), weights_only=True)["global_step"] == 10
    assert signal.getsignal(number) == before


@pytest.mark.slow
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_second_signal_ends_at_once(
    name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    signalled(monkeypatch, signal.Signals[name], 2)
    run = tmp_path / "run"
    arguments = ["train", "vicreg", *FLAGS, "--steps", "40", "--checkpoint-every", "4", "--out", str(run)]
    if name == "SIGINT":
        assert main(arguments) == code
        assert "interrupted" in capfd.readouterr().err
    else:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == code
    assert torch.load(last_checkpoint(run), weights_only=True)["global_step"] == 8
    assert not (run / ".lock").exists()


def other_training(command: str, folder: Path) -> tuple[list[str], list[str]]:
    """A short training of another command than train, and what goes on with it."""
    if command == "detect":
        path = str(coco(folder, "train", 4))
        content = encoder_bytes(encoder("tiny", image_size=32), mean=(0.5,) * 3, std=(0.25,) * 3)
        Path("encoder.safetensors").write_bytes(content)
        sizes = ["--short-side", "32", "--long-side", "32", "--width", "8", "--rois", "8", "--anchor", "12"]
        steps = ["--batch-size", "2", "--steps", "3", "--warmup", "1", "--workers", "0", "--evaluate-every", "1"]
        data = ["--train", path, "--val", path, "--control", "--out", "out"]
        return ["detect", "encoder.safetensors", *sizes, *steps, *data], ["detect", "--resume", "out"]
    write_source(seed=0)
    flags = ["encoder.safetensors", "--data", "made.npz", "--out", "out", "--epochs", "2", "--batch-size", "8"]
    if command == "finetune":
        return ["finetune", *flags], ["finetune", "--resume", "out"]
    evaluate = ["evaluate", *flags, "--protocol", "directclr"]
    return evaluate, evaluate


def signalled_at_rows(monkeypatch: pytest.MonkeyPatch, number: int, times: int, step: int) -> None:
    """Send this process a signal so many times when the first row of a step is written."""
    sent: list[int] = []
    write = Rows.write

    def writing(self: Rows, row: dict[str, Any]) -> None:
        write(self, row)
        if row["step"] == step and not sent:
            for _ in range(times):
                sent.append(step)
                os.kill(os.getpid(), number)

    monkeypatch.setattr(Rows, "write", writing)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1"])
@pytest.mark.parametrize("command", ["finetune", "evaluate", pytest.param("detect", marks=pytest.mark.slow)])
def test_every_training_ends_with_the_number_of_its_signal_and_goes_on(
    command: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    number = signal.Signals[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fullrank.engine.launcher.requeue", lambda: "It is queued again.")
    arguments, again = other_training(command, tmp_path)
    with monkeypatch.context() as patch:
        signalled_at_rows(patch, number, 1, 1 if command == "detect" else 6)
        assert main(arguments) == 128 + number
    said = capfd.readouterr()
    assert f"fullrank: {name}: stopping after this step" in said.err
    assert f"Stopped by {name}; nothing is lost. Go on with:" in said.out
    assert ("It is queued again." in said.out) == (name == "SIGUSR1")
    assert command == "evaluate" or f"fullrank {' '.join(again)}" in said.out
    assert not (tmp_path / "out" / "result.json").exists()
    assert main(again) == 0
    assert read_json(tmp_path / "out" / "result.json")


@pytest.mark.parametrize("command", ["finetune", "evaluate", pytest.param("detect", marks=pytest.mark.slow)])
@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_second_signal_ends_every_training_at_once(
    command: str, name: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, again = other_training(command, tmp_path)
    with monkeypatch.context() as patch:
        signalled_at_rows(patch, signal.Signals[name], 2, 1 if command == "detect" else 6)
        if name == "SIGINT":
            assert main(arguments) == code
        else:
            with pytest.raises(SystemExit) as ended:
                main(arguments)
            assert ended.value.code == code
    assert not [*tmp_path.rglob("last.ckpt")]
    assert main(again) == 0


@pytest.mark.parametrize("command", ["finetune", pytest.param("detect", marks=pytest.mark.slow)])
def test_a_signal_at_the_last_step_begins_no_other_training(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, again = other_training(command, tmp_path)
    control, last = ("control", 3) if command == "detect" else ("from-scratch-0", 12)
    with monkeypatch.context() as patch:
        signalled_at_rows(patch, signal.SIGTERM, 1, last)
        assert main([*arguments, *(["--control"] if command == "finetune" else [])]) == 143
    assert not (tmp_path / "out" / control).exists()
    assert main(again) == 0
    assert (tmp_path / "out" / control).exists()


@pytest.mark.slow
def test_a_signal_that_is_to_be_ignored_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup, where a closed terminal must not stop a run."""
    signalled(monkeypatch, signal.SIGHUP, 1)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["train", "vicreg", *FLAGS, "--steps", "12", "--out", str(tmp_path / "run")]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["the first", "both"])
def test_two_processes_agree_on_a_step_and_go_on_from_it(whom: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "fullrank.cli", "train", "vicreg", *FLAGS, "--devices", "2", "--steps", "5000"]
    process = subprocess.Popen(
        [*command, "--out", str(run)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not any(row["step"] >= 10 for row in read_rows(run / "metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.05)
    send = os.kill if whom == "the first" else os.killpg
    send(process.pid, signal.SIGTERM)
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 143, said
    assert "Stopped by SIGTERM" in said
    assert "Traceback" not in said
    assert torch.load(last_checkpoint(run), weights_only=True)["global_step"] >= 10
