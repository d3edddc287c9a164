"""What bounds a training of `tiny` on one thread: views beside forward, loss, backward and optimizer on ready views.

SimCLR on color noise of 32 px in memory, batches of 256. A step cannot be nearer to its ceiling than the
ceiling's share of ceiling and views. Contenders alternate, best processor seconds of the rounds. A loop that makes the
next views on a second core, which no training of FullRank does, is measured by the clock, which needs an idle machine:
the file has the load.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.alternating import alternating, processor_seconds
from fullrank import recipes
from fullrank.data import train_batches
from fullrank.data.batches import Batch
from fullrank.engine import RunOptions
from fullrank.recipes import Recipe
from fullrank.training.fit import prepare
from fullrank.training.module import Training

SIZE, BATCH, IMAGES = 32, 256, 4096
STEPS = 20
_QUIET = Console(quiet=True)


def simclr(steps: int) -> Recipe:
    """The recipe that is trained."""
    recipe: Recipe = recipes.load("simclr")(steps=steps, batch_size=BATCH, lr=1e-3, warmup_epochs=0.1)
    return recipe


class Parts:
    """A step in a plain loop, whole and in parts, each for so many steps."""

    def __init__(self, images: Tensor) -> None:
        self.job = prepare(simclr(STEPS), RunOptions(devices=1, workers=0), _QUIET, data=images)
        self.training = Training(self.job.method, self.job.views, self.job.plan).train()
        self.optimizer = self.training.configure_optimizers()["optimizer"]
        self.batches: list[Batch] = list(self._batches())
        self.ready = self.training.augment(self.batches[0])

    def _batches(self) -> Any:
        images = self.job.dataset.train
        return train_batches(
            images, batch_size=BATCH, seed=0, start=0, stop=STEPS, crop=self.job.views.crop, device="cpu"
        )

    def indexing(self) -> None:
        """The images of each step, out of memory."""
        for _ in self._batches():
            pass

    def views(self) -> None:
        """Augmentation."""
        for batch in self.batches:
            self.training.augment(batch)

    def ceiling(self) -> None:
        """Forward, loss, backward and optimizer."""
        for _ in self.batches:
            self.optimizer.zero_grad()
            self.job.method.loss(self.job.method(self.ready))["loss"].backward()
            self.optimizer.step()

    def ahead(self) -> None:
        """The same on the views of each batch, which a thread makes while the network takes those before."""
        with ThreadPoolExecutor(1) as second:
            following = second.submit(self.training.augment, self.batches[0])
            for at in range(len(self.batches)):
                views = following.result()
                if at + 1 < len(self.batches):
                    following = second.submit(self.training.augment, self.batches[at + 1])
                self.optimizer.zero_grad()
                self.job.method.loss(self.job.method(views))["loss"].backward()
                self.optimizer.step()


def by_the_clock(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def images() -> Tensor:
    """Color noise."""
    return torch.randint(256, (IMAGES, 3, SIZE, SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def second_core(rounds: int) -> dict[str, float]:
    """Milliseconds of a step by the clock, least of the rounds: on ready views, with views in turn, and ahead."""
    parts = Parts(images())
    works = {"ceiling": parts.ceiling, "views": parts.views, "views on a second core": parts.ahead}
    runs = {name: partial(by_the_clock, work) for name, work in works.items()}
    return {name: 1000 * min(seconds) / STEPS for name, seconds in alternating(runs, rounds).items()}


def measured(rounds: int) -> dict[str, float]:
    """Milliseconds of a step and of its parts."""
    parts = Parts(images())
    runs: dict[str, Callable[[], float]] = {
        "ceiling": partial(processor_seconds, parts.ceiling),
        "views": partial(processor_seconds, parts.views),
        "indexing": partial(processor_seconds, parts.indexing),
    }
    best = {name: min(seconds) for name, seconds in alternating(runs, rounds).items()}
    return {name: 1000 * seconds / STEPS for name, seconds in best.items()}


def main() -> None:
    """Run, print, and write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found = measured(arguments.rounds)
    share = found["ceiling"] / sum(found.values())
    results: dict[str, Any] = {"milliseconds": found, "the ceiling's share": share}
    for name, value in found.items():
        print(f"{name:10s} {value:7.2f} ms of a step")
    print(f"the ceiling's share of all of it: {share:.2f}")
    clock = results["milliseconds by the clock"] = second_core(arguments.rounds)
    results["load"] = os.getloadavg()[0]
    results["share with a second core"] = clock["ceiling"] / clock["views on a second core"]
    print(f"with views on a second core, by the clock: {results['share with a second core']:.2f}, {clock}")
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
