"""Two processes, which cannot share images or batches evenly, evaluate, fine-tune and detect as one does.

One start of two processes serves all of these tests.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch.multiprocessing.spawn import spawn

import fullrank
from fullrank.cli import main
from fullrank.engine.gather import wait_for_all
from fullrank.engine.launcher import process_rank
from fullrank.nn import encoder, encoder_bytes
from fullrank.runs import read_json, read_rows
from fullrank.transfer.task import labels_of
from tests.detection.sets import coco
from tests.detection.test_detect import FLAGS
from tests.transfer.made import images

WORLD, SIDE = 2, 16
MADE = ["--data", "made.npz", "--workers", "0"]
CROPS = ["--epochs", "1", "--batch-size", "10"]
FILE = ["--protocol", "directclr", "--memory", "1e-6", "--k", "3", "--out", "file"]
BOXES = ["--train", "train.json", "--val", "train.json"]
COMMANDS = {  # of 45 images to learn from and 11 to be asked about; the last batch has 5
    "whole": ["evaluate", "run"],
    "memory": ["evaluate", "run", *MADE, "--protocol", "ours", "--out", "memory"],
    "file": [
        "evaluate",
        "run",
        *MADE,
        *CROPS,
        "--protocol",
        "directclr",
        "--memory",
        "1e-6",
        "--k",
        "3",
        "--out",
        "file",
    ],
    "tuned": ["finetune", "plain.safetensors", *MADE, *CROPS, "--out", "tuned"],
    "boxes": ["detect", *FLAGS, *BOXES, "--norm", "frozen", "--masks", "--evaluate-every", "2", "--out", "boxes"],
}


def act(folder: Path) -> None:
    """All commands, in one folder."""
    os.chdir(folder)
    assert [main(command) for command in COMMANDS.values()] == [0] * len(COMMANDS)
    wait_for_all()
    if process_rank() == 0:
        Path("boxes/predictions.json").rename("boxes/before.json")
        Path("boxes/result.json").unlink()  # as if it had been killed after its last checkpoint
    wait_for_all()
    assert main(["detect", "--resume", "boxes"]) == 0


def process(rank: int, folder: Path, port: int) -> None:
    """One of the processes that torchrun would start."""
    torch.set_num_threads(1)
    of = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORLD, "LOCAL_WORLD_SIZE": WORLD, "MASTER_PORT": port}
    os.environ |= {name: str(value) for name, value in of.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "TORCHELASTIC_RUN_ID": "test"}
    atexit.register(write_threads, folder.parent / f"threads-{rank}")  # what is registered first is called last
    act(folder)


def write_threads(file: Path) -> None:
    """The names of this process's threads."""
    file.write_text("".join(path.read_text() for path in Path("/proc/self/task").glob("*/comm")))


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of one process and of two."""
    folders = [tmp_path_factory.mktemp(name) for name in ("one", "two")]
    made = images(56, 6, seed=0)
    pixels = made.images[:, 0].repeat_interleave(2, 1).repeat_interleave(2, 2).numpy()
    with torch.random.fork_rng(), pytest.MonkeyPatch.context() as patch:
        torch.manual_seed(0)  # without batch norm, since on a CPU each process has statistics of its own
        plain = encoder_bytes(encoder("test_vit", image_size=SIDE, channels=1), mean=(0.5,), std=(0.25,))
        for folder in folders:
            patch.chdir(folder)
            np.savez("made.npz", images=pixels, labels=labels_of(made).numpy())
            Path("plain.safetensors").write_bytes(plain)
            coco(folder, "train", 6)
            flags: dict[str, Any] = {"backbone": "tiny", "projector": (8,), "steps": 1, "batch_size": 8, "workers": 0}
            fullrank.train("simclr", data="made.npz", out="run", **flags)
        act(folders[0])
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        spawn(process, args=(folders[1], port), nprocs=WORLD)
    return folders


@pytest.mark.slow
def test_features_of_two_processes_are_those_of_one_bit_for_bit(done: list[Path]) -> None:
    for name in ("memory", "file"):
        spectra = [np.load(folder / name / "spectra.npz") for folder in done]
        assert all(spectra[0][key].tolist() == spectra[1][key].tolist() for key in spectra[0])
        rows = [read_json(folder / name / "result.json")["rows"] for folder in done]
        assert rows[0] == rows[1]
        assert not (done[1] / name / "features").exists()
    scores = [read_json(folder / "run" / "result.json") for folder in done]
    assert all(scores[0][key] == scores[1][key] for key in ("knn", "linear", "separability"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux names threads in /proc")
def test_the_group_of_processes_ends_before_python_does(done: list[Path]) -> None:
    """Else one exit in ten or so was aborted: a thread of Gloo asked for an interpreter that was gone."""
    for rank in range(WORLD):
        names = (done[1].parent / f"threads-{rank}").read_text().split()
        assert "python" in names[0]
        assert not [name for name in names if "gloo" in name]


@pytest.mark.slow
def test_two_processes_finetune_the_network_of_one(done: list[Path]) -> None:
    assert sorted(path.name for path in done[0].iterdir()) == sorted(path.name for path in done[1].iterdir())
    folders = [folder / "tuned" / "fine-tuned-0" for folder in done]
    for name in ("encoder", "head"):
        one, two = (load_file(folder / f"{name}.safetensors") for folder in folders)
        for key, value in one.items():  # the sum over the batch is split in two, so the last bits of float32 differ
            torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-6)
    rows = [read_rows(folder / "metrics.jsonl") for folder in folders]
    assert [(row["kind"], row["step"]) for row in rows[0]] == [(row["kind"], row["step"]) for row in rows[1]]
    assert rows[1][0]["loss"] == pytest.approx(rows[0][0]["loss"], rel=1e-4)


@pytest.mark.slow
def test_two_processes_learn_and_find_what_one_does(done: list[Path]) -> None:
    """Without batch norm that is trained, since on a CPU each process has its own statistics."""
    one, two = (load_file(folder / "boxes" / "detector.safetensors") for folder in done)
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-3, atol=1e-4)
    found = [json.loads((folder / "boxes" / "predictions.json").read_text()) for folder in done]
    before = [json.loads((folder / "boxes" / "before.json").read_text()) for folder in done]
    assert before == found  # of a run that was scored after its last checkpoint, by all processes
    assert len({entry["image_id"] for entry in found[1]}) == 6
    assert len(found[0]) == pytest.approx(len(found[1]), rel=0.05)
    kinds = [[(row["kind"], row["step"]) for row in read_rows(folder / "boxes" / "metrics.jsonl")] for folder in done]
    assert kinds[0] == kinds[1]
