"""Accuracy of 20 neighbors against processor seconds: SimCLR by FullRank and by lightly, on one thread.

Both train `tiny` with its projector from the same weights, with the same batches, optimizer and distribution of views,
in the same plain loop: FullRank's batched views and NT-Xent, or lightly's SimCLRTransform on PIL images and NTXentLoss.
The rate is constant after a warm-up, so that a curve does not depend on where it ends. The clock stands still while
test images are scored. Contenders take turns between two marks. Images are in memory for both.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from torch import Tensor

from benchmarks.bench.images import Images, Labeled, features, read
from benchmarks.pipelines import NEEDS, has_lightly, lightly_views, stacked
from fullrank import recipes
from fullrank.data import ImageTensor, load_dataset
from fullrank.engine import RunOptions
from fullrank.evaluation import knn_accuracy
from fullrank.losses import nt_xent
from fullrank.nn import evaluating
from fullrank.training.fit import prepare
from fullrank.training.step_plan import Job

MARKS = (0.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0)  # processor seconds at which the test images are scored
WARMUP = 35  # steps
BANK, TEST = 5000, 2000  # images that are neighbors, and that are scored
TEMPERATURE = 0.2
Step = Callable[[Tensor, int], Tensor]  # images uint8 (n, C, H, W) and the number of the step to the loss


@dataclass
class Contender:
    """A network in training, its clock, and the kNN accuracy at each mark that it has reached."""

    job: Job
    step: Step
    batches: Iterator[Tensor]
    optimizer: torch.optim.Optimizer
    steps: int = 0
    seconds: float = 0.0

    def until(self, mark: float) -> None:
        """Train until the clock shows so many seconds."""
        self.job.method.train()
        while self.seconds < mark:
            begun = time.process_time()
            for group in self.optimizer.param_groups:
                group["lr"] = self.job.plan.lr * min(1.0, (self.steps + 1) / WARMUP)
            self.optimizer.zero_grad()
            self.step(next(self.batches), self.steps).backward()
            self.optimizer.step()
            self.steps += 1
            self.seconds += time.process_time() - begun


def fullrank_step(job: Job) -> Step:
    """Views of the whole batch at once, and our loss."""

    def step(images: Tensor, number: int) -> Tensor:
        height, width = images.shape[2:]
        drawn = job.views.draw(len(images), height, width, torch.Generator().manual_seed(job.recipe.seed + number))
        views = [view.contiguous(memory_format=torch.channels_last) for view in job.views.apply(images, drawn)]
        return nt_xent(job.method(views)["embedding"], temperature=TEMPERATURE)["loss"]

    return step


def lightly_step(job: Job) -> Step:
    """lightly's views of each image, and its loss."""
    losses: Any = importlib.import_module("lightly.loss")
    transform = lightly_views(job.views.augmentations[0], job.views.mean, job.views.std)
    loss = losses.NTXentLoss(temperature=TEMPERATURE)

    def step(images: Tensor, number: int) -> Tensor:
        pictures = [Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy()) for image in images]
        views = [view.contiguous(memory_format=torch.channels_last) for view in stacked([*map(transform, pictures)])]
        found: Tensor = loss(*job.method(views)["embedding"])
        return found

    return step


def shuffled(images: Tensor, batch: int, seed: int) -> Iterator[Tensor]:
    """Batches without end, each image once in a pass."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for rows in torch.randperm(len(images), generator=generator).split(batch):
            if len(rows) == batch:
                yield images[rows]


def scored(job: Job, images: Images) -> float:
    """The kNN accuracy of the test images with the backbone as it is."""
    with evaluating(job.method):
        bank, queries = (
            features(lambda part: job.method.encoder(job.views.plain(part)), part)
            for part in (images.train.images[:BANK], images.test.images)
        )
    return knn_accuracy(bank, images.train.labels[:BANK], queries, images.test.labels)


def race(images: Images, seed: int, seconds: float) -> dict[str, dict[str, list[float]]]:
    """Seconds, steps and accuracy at the marks, by contender."""
    recipe = recipes.load("simclr")(backbone="tiny", seed=seed, steps=10**6, batch_size=256)
    data = (images.train.images, images.train.labels)
    made = prepare(recipe, RunOptions(devices=1, workers=0), Console(quiet=True), data=data)
    contenders = {}
    for name, step in (("FullRank", fullrank_step), ("lightly", lightly_step)):
        job = copy.deepcopy(made)
        optimizer = torch.optim.AdamW(job.method.parameters(), lr=0.0, weight_decay=job.recipe.weight_decay)
        batches = shuffled(images.train.images, job.plan.batch_size, seed)
        contenders[name] = Contender(job, step(job), batches, optimizer)
    found: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "steps": [], "knn": []} for name in contenders}
    torch.manual_seed(seed)
    for mark in (mark for mark in MARKS if mark <= seconds):
        for name, contender in contenders.items():
            contender.until(mark)
            score = scored(contender.job, images)
            for what, value in (("seconds", contender.seconds), ("steps", contender.steps), ("knn", score)):
                found[name][what].append(round(value, 4))
            print(f"  {name:8s} {contender.seconds:5.1f} s, {contender.steps:5d} steps: kNN {score:.4f}", flush=True)
    return found


def fashion(name: str) -> Images:
    """The training images of a named data set that is in memory, and the first test images."""
    dataset = load_dataset(name)
    parts = []
    for part, count in ((dataset.train, 20_000), (dataset.test, TEST)):
        assert isinstance(part, ImageTensor)
        assert part.labels is not None
        parts.append(Labeled(part.images[:count], part.labels[:count]))
    return Images(*parts)


def main() -> None:
    """Run, print, and write the JSON after each seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--color", type=Path, help="folder with train/CLASS and test/CLASS, of `benchmarks.sets`")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=MARKS[-1], help="of the processor, for each training")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if not has_lightly():
        parser.error(NEEDS)
    torch.set_num_threads(1)
    sets = {"Fashion-MNIST": fashion("fashion-mnist")}
    if arguments.color:
        sets["color sprites, 32 px"] = read(arguments.color, 32)
    results: dict[str, list[Any]] = {name: [] for name in sets}
    for seed in range(arguments.seeds):
        for name, images in sets.items():
            print(f"{name}, seed {seed}:", flush=True)
            results[name].append(race(images, seed, arguments.seconds))
            if arguments.out:
                arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
