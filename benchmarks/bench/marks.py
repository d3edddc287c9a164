"""What the recipes are measured against: pixels, random weights, training on labels, and an encoder of ImageNet."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from benchmarks.calibration.images import imagenet
from fullrank import recipes
from fullrank.engine import RunOptions
from fullrank.nn import evaluating
from fullrank.training.fit import prepare
from fullrank.training.step_plan import Job

from .images import Images, accuracies, features, numbers

LR, _WARMUP, _DECAY = 5e-3, 35, 1e-4  # those of the recipes
_ENLARGED = 96  # pixels to which the images are enlarged for the encoder of ImageNet


def _job(images: Images, seed: int) -> Job:
    recipe = replace(recipes.load("simclr")(), backbone="tiny", steps=1000, seed=seed)
    options = RunOptions(devices=1, workers=0)
    return prepare(recipe, options, Console(quiet=True), data=(images.train.images, images.train.labels))


def pixels(images: Images, seed: int, **_: Any) -> dict[str, Any]:
    """The pixels themselves."""
    return _scored(lambda part: part.flatten(1).float() / 255, images, seed)


def untrained(images: Images, seed: int, **_: Any) -> dict[str, Any]:
    """The encoder with the random weights of the seed."""
    job = _job(images, seed)
    with evaluating(job.method):
        return _scored(lambda part: job.method.encoder(job.views.plain(part)), images, seed)


def supervised(images: Images, seed: int, *, seconds: float, **_: Any) -> dict[str, Any]:
    """The encoder trained on the training labels, with one augmented view of each image, for as long as a recipe."""
    job = _job(images, seed)
    encoder, batch = job.method.encoder, job.plan.batch_size
    labels = images.train.labels
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        head = nn.Linear(encoder(job.views.plain(images.train.images[:2])).shape[1], int(labels.max()) + 1)
    parameters = [*encoder.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=LR, weight_decay=_DECAY)
    begun, step, share = time.process_time(), 0, 0.0
    while (share := (time.process_time() - begun) / seconds) < 1:
        random = torch.Generator().manual_seed(1000 * seed + step)
        index = torch.randint(len(labels), (batch,), generator=random)
        some = images.train.images[index]
        x = job.views.apply(some, job.views.draw(batch, some.shape[2], some.shape[3], random))[0]
        rate = LR * min(1.0, (step + 1) / _WARMUP) * (1 + math.cos(math.pi * share)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        cross_entropy(head(encoder.train()(x)), labels[index]).backward()
        optimizer.step()
        step += 1
    found: dict[str, Any] = {"steps": step, "batch_size": batch, "cpu_seconds": round(time.process_time() - begun, 1)}
    with evaluating(job.method):
        return found | _scored(lambda part: encoder(job.views.plain(part)), images, seed, profile="supervised")


def of_imagenet(images: Images, seed: int, *, packages: Path, **_: Any) -> dict[str, Any]:
    """EfficientNet-lite0 with its weights of ImageNet, which has seen other images and more of them."""

    def encode(part: Tensor) -> Tensor:
        return imagenet(packages, interpolate(part.float() / 127.5 - 1, size=_ENLARGED, mode="bicubic"))

    return _scored(encode, images, seed, profile="supervised")


def _scored(encode: Callable[[Tensor], Tensor], images: Images, seed: int, profile: str = "generic") -> dict[str, Any]:
    z = features(encode, images.looked_at)
    return {**accuracies(encode, images, seed), "profile": profile, "backbone": numbers(z, None, profile)}


MARKS: dict[str, Callable[..., dict[str, Any]]] = {
    "pixels": pixels,
    "untrained": untrained,
    "supervised": supervised,
    "imagenet": of_imagenet,
}
ALIKE = ("pixels", "imagenet")  # for every seed, so one is enough
