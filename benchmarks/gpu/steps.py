"""A training step beside the bare loop on views that are ready, and losses beside lightly's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from rich.console import Console
from torch import Tensor

from benchmarks.gpu.clock import Work, seconds, waits
from benchmarks.losses import contenders
from benchmarks.pipelines import NEEDS, has_lightly
from fullrank import recipes
from fullrank.data.batches import Batch
from fullrank.engine import RunOptions
from fullrank.methods import compile_networks
from fullrank.training.fit import prepare
from fullrank.training.module import Training

LOSSES = ("nt_xent", "dcl", "vicreg", "barlow_twins", "koleo")


@dataclass(frozen=True)
class Setting:
    """A network on so many images of a side."""

    backbone: str
    size: int
    batch: int


SETTINGS = (Setting("tiny", 32, 256), Setting("resnet18", 32, 256), Setting("resnet50", 224, 64))
TINY = (Setting("tiny", 8, 8),)
SHAPES, TINY_SHAPES = ((256, 128), (1024, 256), (4096, 128)), ((16, 8),)  # samples, features


class Loop:
    """SimCLR's step in a plain loop: on images, or on views that are ready; `done` counts the steps."""

    def __init__(self, setting: Setting, device: torch.device, *, half: bool, last: bool) -> None:
        images = torch.randint(256, (setting.batch, 3, setting.size, setting.size), dtype=torch.uint8)
        recipe = recipes.load("simclr")(
            backbone=setting.backbone, image_size=setting.size, batch_size=setting.batch, steps=10**6, lr=1e-3
        )
        job = prepare(recipe, RunOptions(devices=1, workers=0), Console(quiet=True), data=images)
        self.training = Training(job.method, job.views, job.plan).to(device).train()
        self.device, self.half = device, half
        self.format = torch.channels_last if last else torch.contiguous_format
        self.training.method.to(memory_format=self.format)
        self.images = images.to(device)
        self.optimizer = torch.optim.AdamW(self.training.method.parameters(), lr=1e-3)
        self.done = 0
        self.ready = self._views()

    def _views(self) -> list[Tensor]:
        views = self.training.augment(Batch(self.done, self.images))
        return [view.contiguous(memory_format=self.format) for view in views]

    def whole(self) -> None:
        """Views, forward, loss, backward and optimizer."""
        self.done += 1
        self._learn(self._views())

    def bare(self) -> None:
        """The same on views that are ready."""
        self._learn(self.ready)

    def _learn(self, views: list[Tensor]) -> None:
        method = self.training.method
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            outputs = method(views)
            loss = method.loss(outputs)["loss"]
        loss.backward()
        self.optimizer.step()


def steps(device: torch.device, *, tiny: bool, compiled: bool) -> Iterator[dict[str, Any]]:
    """Milliseconds of each setting in each way, what the views cost, and how often a step waits for the GPU."""
    for setting in TINY if tiny else SETTINGS:
        loops = {
            "bf16": Loop(setting, device, half=True, last=True),
            "float32": Loop(setting, device, half=False, last=True),
            "bf16, channels first": Loop(setting, device, half=True, last=False),
        }
        if compiled:
            loops["bf16, compiled"] = Loop(setting, device, half=True, last=True)
            compile_networks(loops["bf16, compiled"].training.method)
        runs: dict[str, Work] = {f"{name}, ready views": loop.bare for name, loop in loops.items()}
        runs |= {f"{name}, whole step": loop.whole for name, loop in loops.items()}
        for work in runs.values():
            work()
        found = seconds(runs, device, repeats=1 if tiny else 10, rounds=1 if tiny else 5)
        ratio = {name: found[f"{name}, whole step"] / found[f"{name}, ready views"] for name in loops}
        yield {
            **vars(setting),
            "milliseconds": {name: round(1000 * value, 3) for name, value in found.items()},
            "whole step in ready views": {name: round(value, 3) for name, value in ratio.items()},
            "waits of a whole step": waits(loops["bf16"].whole, device),
        }


def losses(device: torch.device, *, tiny: bool) -> dict[str, Any]:
    """Milliseconds of forward and backward of our losses and lightly's, by loss and shape."""
    if not has_lightly():
        return {"left out": NEEDS}
    found: dict[str, Any] = {}
    for name in LOSSES[:1] if tiny else LOSSES:
        for samples, features in TINY_SHAPES if tiny else SHAPES:
            z = torch.randn(2, samples, features, generator=torch.Generator().manual_seed(0)).to(device)
            runs = {
                who: partial(_both, objective, z)
                for who, objective in contenders(name, samples, features)
                if who in ("ours", "lightly") and not isinstance(objective, str)
            }
            taken = seconds(runs, device, repeats=1 if tiny else 10, rounds=1 if tiny else 5)
            found[f"{name}, {samples} x {features}"] = {who: round(1000 * each, 3) for who, each in taken.items()}
    return found


def _both(objective: Callable[[Tensor], Tensor], z: Tensor) -> None:
    leaf = z.clone().requires_grad_()
    with contextlib.suppress(torch.cuda.OutOfMemoryError):
        objective(leaf).backward()
