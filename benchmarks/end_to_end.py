"""Files to trained weights: SimCLR by FullRank, by lightly, and by a plain torchvision pipeline.

The same network, batch, optimizer and distribution of views, two workers that decode, one thread of torch, in one plain
loop. FullRank's workers decode and crop, and the rest of the views is made for the whole batch; the workers of the
others make views image by image. `views` is the same without the network: what a GPU would be fed with. Contenders
alternate; processor seconds are those of the process and its workers.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.utils.data
from PIL import Image
from rich.console import Console
from torch import Tensor, nn

from benchmarks.pipelines import NEEDS, TwoViews, has_lightly, lightly_views, stacked, torchvision_views
from fullrank import recipes
from fullrank.data import ImageFolder, train_batches
from fullrank.engine import RunOptions
from fullrank.losses import nt_xent
from fullrank.training.fit import prepare
from fullrank.training.step_plan import Job

WORKERS = 2
TEMPERATURE = 0.2
Loss = Callable[[Tensor], Tensor]  # of embeddings (2, N, D)


@dataclass(frozen=True)
class Setting:
    """What is trained on a folder: the side of the images, the network, and the images of a round."""

    size: int
    backbone: str
    batch: int
    steps: int


SETTINGS = {
    "color sprites, 32 px, tiny": Setting(32, "tiny", 256, 6),
    "color sprites, 64 px, tiny": Setting(64, "tiny", 256, 4),
    "photographs, 224 px, ResNet-50": Setting(224, "resnet50", 8, 3),
}


class Files(torch.utils.data.Dataset[list[Tensor]]):
    """Two views of each file."""

    def __init__(self, files: list[Path], views: TwoViews) -> None:
        self.files, self.views = files, views

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> list[Tensor]:
        return self.views(Image.open(self.files[index]).convert("RGB"))


def ours(job: Job, setting: Setting) -> Iterator[list[Tensor]]:
    """Batches of two views by FullRank."""
    batches = train_batches(
        job.dataset.train,
        batch_size=setting.batch,
        seed=0,
        start=0,
        stop=setting.steps,
        workers=WORKERS,
        crop=job.views.crop,
        device="cpu",
    )
    for batch in batches:
        drawn = job.views.draw(setting.batch, setting.size, setting.size, torch.Generator().manual_seed(batch.step))
        yield job.views.apply(batch.images, drawn)


def theirs(job: Job, setting: Setting, views: TwoViews) -> Iterator[list[Tensor]]:
    """Batches of two views by a transform of single images."""
    assert isinstance(job.dataset.train, ImageFolder)
    order = torch.randperm(len(job.dataset.train), generator=torch.Generator().manual_seed(0))
    count = setting.batch * setting.steps
    files = [Path(job.dataset.train.files[at]) for at in order.repeat(1 + count // len(order))[:count].tolist()]
    data = Files(files, views)
    return iter(torch.utils.data.DataLoader(data, setting.batch, num_workers=WORKERS, collate_fn=stacked))


def plain_nt_xent(z: Tensor) -> Tensor:
    """One cross-entropy of all pairs, as most code of papers has it."""
    rows = nn.functional.normalize(z.flatten(0, 1), dim=1)
    logits = (rows @ rows.T / TEMPERATURE).fill_diagonal_(-torch.inf)
    return nn.functional.cross_entropy(logits, torch.arange(len(rows)).roll(len(rows) // 2))


def lightly_nt_xent(z: Tensor) -> Tensor:
    """lightly's loss of two views."""
    losses: Any = importlib.import_module("lightly.loss")
    found: Tensor = losses.NTXentLoss(temperature=TEMPERATURE)(*z)
    return found


def used() -> float:
    """Processor seconds of this process and of the workers that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def round_of(
    job: Job, setting: Setting, make: Callable[[Job, Setting], Iterable[list[Tensor]]], loss: Loss | None
) -> dict[str, float]:
    """Images per processor second and per second of the clock of one round, with the network where there is a loss."""
    optimizer = torch.optim.AdamW(job.method.train().parameters(), lr=1e-3)
    begun, clock, seen = used(), 0.0, 0
    for views in make(job, setting):
        clock = clock or time.perf_counter()
        if loss is not None:
            last = [view.contiguous(memory_format=torch.channels_last) for view in views]
            optimizer.zero_grad()
            loss(job.method(last)["embedding"]).backward()
            optimizer.step()
        seen += len(views[0])
    took = time.perf_counter() - clock  # since the first batch was there
    return {"per processor second": seen / (used() - begun), "per second": (seen - setting.batch) / took}


def compare(folder: Path, setting: Setting, rounds: int) -> dict[str, Any]:
    """Median rates of each contender, after a round to warm up."""
    recipe = recipes.load("simclr")(
        data=str(folder),
        backbone=setting.backbone,
        image_size=setting.size,
        batch_size=setting.batch,
        steps=setting.steps,
        views="simclr" if setting.size > 64 else "cifar",
    )
    job = prepare(recipe, RunOptions(devices=1, workers=WORKERS), Console(quiet=True))
    view = job.views.augmentations[0], job.views.mean, job.views.std
    contenders: dict[str, tuple[Any, Loss]] = {
        "FullRank": (ours, lambda z: nt_xent(z, temperature=TEMPERATURE)["loss"]),
        "lightly": (partial(theirs, views=lightly_views(*view)), lightly_nt_xent),
        "torchvision": (partial(theirs, views=torchvision_views(*view)), plain_nt_xent),
    }
    found: dict[str, dict[str, list[dict[str, float]]]] = {"training": {}, "views": {}}
    for turn in range(rounds + 1):
        for name, (make, loss) in contenders.items():
            for what, of in (("training", loss), ("views", None)):
                rates = round_of(job, setting, make, of)
                if turn:
                    found[what].setdefault(name, []).append(rates)
    return {
        what: {
            name: {key: statistics.median(one[key] for one in rows) for key in rows[0]} for name, rows in each.items()
        }
        for what, each in found.items()
    }


def main() -> None:
    """Run, print, and write the JSON after each setting."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--color", type=Path, nargs=2, help="folders of the color sprites of 32 and of 64 px")
    parser.add_argument("--photographs", type=Path, help="a folder of JPEGs")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, help="JSON file to write")
    arguments = parser.parse_args()
    if not has_lightly():
        parser.error(NEEDS)
    torch.set_num_threads(1)
    folders = [*(arguments.color or (None, None)), arguments.photographs]
    results: dict[str, Any] = {}
    for folder, (name, setting) in zip(folders, SETTINGS.items(), strict=True):
        if folder is None:
            continue
        results[name] = compare(folder, setting, arguments.rounds)
        for what, each in results[name].items():
            first = each["FullRank"]
            for who, rates in each.items():
                shown = ", ".join(f"{rate:6.1f} images {key} ({first[key] / rate:.2f}x)" for key, rate in rates.items())
                print(f"{name}, {what}: {who:12s} {shown}", flush=True)
        if arguments.out:
            arguments.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
