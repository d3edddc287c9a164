"""Readers of photographs: what 0, 1 and 2 workers read, what the network takes, and which of both a training names.

JPEGs of 500 x 375 px are cut from a folder of photographs. Per number of workers: the reader alone, the step alone on
images that are ready, and a whole training, whose own rates and slower part are read from its result. Images per second
of the clock, since workers are processes; torch has one thread, so that the step leaves other cores to them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console

from benchmarks.end_to_end import Setting
from fullrank import recipes
from fullrank.data import train_batches
from fullrank.data.batches import Batch
from fullrank.engine import RunOptions
from fullrank.recipes import Recipe
from fullrank.report.runs.speed import speed_words
from fullrank.runs import read_json
from fullrank.training.fit import prepare, start
from fullrank.training.step_plan import Job

WIDTH, HEIGHT = 500, 375
SETTINGS = {
    "tiny, 64 px": Setting(64, "tiny", 64, 20),
    "ResNet-18, 224 px": Setting(224, "resnet18", 8, 3),
}
RESULT = Path(__file__).parents[1] / "docs" / "results" / "benchmarks" / "workers.json"


def cut(photographs: Path, folder: Path, most: int = 256) -> int:
    """Write JPEGs from the photographs, not overlapping, in one class for each; how many."""
    files = sorted(path for path in photographs.rglob("*") if path.suffix.lower() in {".jpg", ".jpeg"})
    for at, file in enumerate(files):
        image = Image.open(file).convert("RGB")
        corners = product(range(0, image.width - WIDTH + 1, WIDTH), range(0, image.height - HEIGHT + 1, HEIGHT))
        (folder / f"{at:03d}").mkdir(parents=True)
        for x, y in list(corners)[: max(1, most // len(files))]:
            image.crop((x, y, x + WIDTH, y + HEIGHT)).save(folder / f"{at:03d}" / f"{x}-{y}.jpg", quality=90)
    return sum(1 for _ in folder.rglob("*.jpg"))


def batches(job: Job, setting: Setting, workers: int) -> Iterable[Batch]:
    """What a training reads."""
    return train_batches(
        job.dataset.train,
        batch_size=setting.batch,
        seed=0,
        start=0,
        stop=setting.steps,
        workers=workers,
        crop=job.views.crop,
        device="cpu",
    )


def reader(job: Job, setting: Setting, workers: int) -> float:
    """Images per second of reading alone, from the first batch on: until then, workers start."""
    read = iter(batches(job, setting, workers))
    next(read)
    begun = time.perf_counter()
    seen = sum(setting.batch for _ in read)
    return seen / (time.perf_counter() - begun)


def step(job: Job, setting: Setting) -> float:
    """Images per second of views, forward, loss, backward and optimizer on images that are ready."""
    images = next(iter(batches(job, setting, 0))).images
    optimizer = torch.optim.AdamW(job.method.train().parameters(), lr=1e-3)
    begun = 0.0
    for turn in range(setting.steps):
        begun = time.perf_counter() if turn == 1 else begun
        drawn = job.views.draw(setting.batch, setting.size, setting.size, torch.Generator().manual_seed(turn))
        views = [view.contiguous(memory_format=torch.channels_last) for view in job.views.apply(images, drawn)]
        optimizer.zero_grad()
        job.method.loss(job.method(views))["loss"].backward()
        optimizer.step()
    return setting.batch * (setting.steps - 1) / (time.perf_counter() - begun)


def training(recipe: Recipe, workers: int, out: Path) -> dict[str, Any]:
    """The rates that a training says itself, and what it says of them."""
    start("simclr", recipe, RunOptions(out=out, devices=1, workers=workers), Console(quiet=True))
    rates: dict[str, Any] = read_json(out / "result.json")["images_per_second"]
    return rates | {"said": speed_words(rates)}


def main() -> None:
    """Run, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photographs", type=Path, help="folder of JPEGs of at least 500 x 375 px")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {"cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as name:
        found["files"] = cut(arguments.photographs, Path(name) / "images")
        for what, setting in SETTINGS.items():
            found[what] = {}
            recipe = recipes.load("simclr")(
                data=str(Path(name) / "images"),
                backbone=setting.backbone,
                image_size=setting.size,
                batch_size=setting.batch,
                steps=setting.steps,
            )
            for workers in (0, 1, 2):
                job = prepare(recipe, RunOptions(devices=1, workers=workers), Console(quiet=True))
                found[what][f"{workers} workers"] = row = {
                    "reader alone": reader(job, setting, workers),
                    "step alone": step(job, setting),
                    "training": training(recipe, workers, Path(name) / f"{setting.backbone}-{workers}"),
                }
                print(what, workers, row, flush=True)
            RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
