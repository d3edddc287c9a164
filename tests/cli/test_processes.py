"""What only whole processes show: being killed, being several, and how fast help answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fullrank.cli import main
from fullrank.nn import encoder, encoder_bytes
from fullrank.runs import read_rows
from tests.data.files import noise
from tests.data.trees import tree
from tests.killing import killed

FLAGS = ["--data", "digits", "--image-size", "16", "--batch-size", "64", "--probe", "100", "--checkpoint-every", "7"]
FULLRANK = [sys.executable, "-m", "fullrank.cli"]

NO_BATCH_NORM = '''
"""A linear encoder without batch norm, whose batch is then the objective's alone."""
from dataclasses import dataclass
from functools import partial
from torch import nn
from fullrank.losses import intl
from fullrank.methods import JointEmbedding
from fullrank.nn import Encoder
from fullrank.recipes import Recipe

@dataclass(frozen=True, kw_only=True)
class Linear(Recipe):
    optimizer: str = "sgd"

    def build(self, encoder):
        linear = nn.Sequential(nn.Flatten(), nn.Linear(256, 32))
        plain = Encoder(linear, width=32, name="linear", channels=1, image_size=16)
        return JointEmbedding(plain, nn.Linear(32, 16), partial(intl))
'''


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.slow
def test_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    """kill -9 between two checkpoints, then --resume: bit for bit the run that was left alone."""
    command = [*FULLRANK, "train", "vicreg", *FLAGS, "--steps", "60", "--out"]
    dead, whole = tmp_path / "killed", tmp_path / "whole"
    killed([*command, str(dead)], dead, environment(), patience=120)
    for arguments in (["train", "--resume", str(dead)], [*command[len(FULLRANK) :], str(whole)]):
        assert main(arguments) == 0  # in this process, which has loaded PyTorch
    assert (dead / "encoder.safetensors").read_bytes() == (whole / "encoder.safetensors").read_bytes()
    assert [row["step"] for row in read_rows(dead / "metrics.jsonl")] == [
        row["step"] for row in read_rows(whole / "metrics.jsonl")
    ]


@pytest.mark.slow
def test_two_processes_train_the_network_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The global batch, its augmentation and its gradient do not depend on how many processes share it."""
    (tmp_path / "linear.py").write_text(NO_BATCH_NORM)
    monkeypatch.chdir(tmp_path)
    flags = ["train", "linear.py", *FLAGS, "--steps", "5", "--lr", "0.5", "--warmup-epochs", "0"]
    assert main([*flags, "--out", "run1"]) == 0
    two_processes = [*FULLRANK, *flags, "--devices", "2", "--out", "run2"]
    subprocess.run(two_processes, env=environment(), check=True, stdout=subprocess.DEVNULL)
    one, two = (load_file(tmp_path / run / "encoder.safetensors") for run in ("run1", "run2"))
    for name, value in one.items():
        # the sum over the batch is split in two, so the last bits of float32 differ
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["linear.py", "run1", "run2"]
    losses = [
        [row["loss"] for row in read_rows(tmp_path / run / "metrics.jsonl") if row["kind"] == "train"]
        for run in ("run1", "run2")
    ]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


@pytest.mark.slow
def test_a_run_of_two_processes_goes_on_with_one_and_ends_as_near_as_it_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two processes that are killed, then one: the network of one from the beginning, but for the last bits."""
    (tmp_path / "linear.py").write_text(NO_BATCH_NORM)
    flags = [*FLAGS, "--steps", "40", "--lr", "0.1", "--warmup-epochs", "0"]
    train = [*FULLRANK, "train", str(tmp_path / "linear.py"), *flags]
    of = {**environment(), "PYTHONPATH": str(Path(__file__).parents[2])}
    killed([*train, "--devices", "2", "--out", str(tmp_path / "two")], tmp_path / "two", of)
    assert (
        main([*train[len(FULLRANK) :], "--out", str(tmp_path / "one")]) == 0
    )  # also trusts the file, as its user does
    capsys.readouterr()
    assert main(["train", "--resume", str(tmp_path / "two"), "--devices", "1"]) == 0
    assert "goes on with 1 process, after 2 processes" in " ".join(capsys.readouterr().out.split())
    one, two = (load_file(tmp_path / run / "encoder.safetensors") for run in ("one", "two"))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_ctrl_c_leaves_a_checkpoint_and_says_how_to_go_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [*FULLRANK, "train", "intl", *FLAGS, "--steps", "5000", "--out", str(run)]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, text=True)
    while not any(row["kind"] == "train" for row in read_rows(run / "metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"fullrank train --resume {run}" in said
    assert torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] >= 10


@pytest.mark.slow
def test_help_is_instant() -> None:
    """Under 1.5 s with the interpreter's start; the best of three, since other work may run on the machine."""
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        done = subprocess.run([*FULLRANK, "--help"], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - begun)
        assert "fullrank train RECIPE" in done.stdout
    assert min(seconds) < 1.5


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from fullrank import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"fullrank {__version__}\n"


@pytest.mark.slow
def test_two_processes_of_torchrun_embed_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writes its own file; together they have the rows, names and labels that one process writes."""
    torch.manual_seed(0)
    made = encoder_bytes(encoder("tiny", image_size=16), mean=(0.5,) * 3, std=(0.25,) * 3)
    (tmp_path / "encoder.safetensors").write_bytes(made)
    tree(tmp_path / "photos", "brick", "wood", count=7)
    for number, file in enumerate(sorted((tmp_path / "photos").rglob("*.png"))):
        noise(20, 24, seed=number).save(file)
    command = ["embed", "encoder.safetensors", "photos", "--workers", "0", "--out"]
    monkeypatch.chdir(tmp_path)
    assert main([*command, "one.npy"]) == 0
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    two = [*torchrun, "fullrank.cli", *command, "two.npy"]
    done = subprocess.run(
        two, env=environment(), cwd=tmp_path, check=True, timeout=300, stdout=subprocess.PIPE, text=True
    )
    assert done.stdout.count("photos: 14 images") == 1
    assert done.stdout.count("Wrote two-0000") == 2
    files = [tmp_path / f"two-0000{at}-of-00002.npy" for at in range(2)]
    assert sorted(tmp_path.glob("two*.npy")) == files
    assert np.concatenate([np.load(file) for file in files]).tolist() == np.load(tmp_path / "one.npy").tolist()
    tables = [file.with_suffix(".rows.csv").read_text(encoding="utf-8").splitlines() for file in files]
    whole = (tmp_path / "one.rows.csv").read_text(encoding="utf-8").splitlines()
    assert [*tables[0], *tables[1][1:]] == whole
    assert len(whole) == 15


@pytest.mark.parametrize("asked", [None, "active"])
def test_waiting_threads_leave_the_cores_to_others_unless_the_user_says_otherwise(asked: str | None) -> None:
    program = (
        "import os, sys; from fullrank.cli import main; assert 'torch' not in sys.modules; main(['--version']); "
        "print(os.environ['OMP_WAIT_POLICY'])"
    )
    given = {name: value for name, value in environment().items() if name != "OMP_WAIT_POLICY"}
    given |= {} if asked is None else {"OMP_WAIT_POLICY": asked}
    done = subprocess.run([sys.executable, "-c", program], env=given, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == (asked or "passive")
