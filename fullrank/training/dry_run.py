"""What a training would do and cost, without doing it."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import partial

import torch
from rich.console import Console
from rich.filesize import decimal
from torch import Tensor

from fullrank.data import ImageTensor
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.recipes import Recipe
from fullrank.report.numbers import duration
from fullrank.terminal import say
from fullrank.training.choose import say_chosen
from fullrank.training.cost import bytes_per_image, seconds_per_image
from fullrank.training.fit import prepare
from fullrank.training.step_plan import Job

_FEWEST, _ENOUGH = 8, 0.4  # images that time a step, doubled until they take so many seconds or are a batch


def dry_run(recipe: Recipe, options: RunOptions, console: Console) -> None:
    """Print data, chosen settings, steps, network, views, memory and time of a training; nothing is written."""
    job = prepare(recipe, options, console)
    say_chosen(job.recipe, job.options, job.reasons, console)
    plan, images = job.plan, len(job.dataset.train)
    each_pass = plan.steps_per_epoch * plan.batch_size
    weights = sum(parameter.numel() for parameter in job.method.parameters() if parameter.requires_grad)
    sides = [view.size for view in job.views.augmentations]
    views = ", ".join(f"{side} px" for side in sides)
    left = images - each_pass
    rest = f"; {left} images are left out of each pass, others each time" if left else ""
    batches = "batch" if plan.steps_per_epoch == 1 else "batches"
    lines = {
        "steps": f"{plan.steps:,}, with {plan.steps_per_epoch:,} {batches} of {plan.batch_size} images in a pass{rest}",
        "network": f"{job.recipe.backbone}, {weights / 1e6:.2g} million weights with its heads",
        "views": f"{len(sides)} per image ({views})",
        "memory": _memory(job),
        "time": _time(job),
    }
    for name, text in lines.items():
        if text:
            say(console, f"{name:<8} {text}")
    say(console, "This was a dry run: nothing was written.")


def _memory(job: Job) -> str:
    """What a batch needs; nothing of a network that cannot be measured."""
    sides = [view.size for view in job.views.augmentations]
    with suppress(UserError):
        memory = bytes_per_image(job.method.encoder, job.dataset.train.channels, sides) * job.plan.batch_size
        return f"about {decimal(memory)} for the backward pass of a batch in 32-bit numbers"
    return ""


def _time(job: Job) -> str:
    if torch.cuda.is_available():
        return "not measured on a GPU"
    count = _FEWEST // 2
    step = reading = 0.0
    while count < job.plan.batch_size and step * count < _ENOUGH:
        count = min(2 * count, job.plan.batch_size)
        batch, reading = _batch(job, count)
        step = seconds_per_image(job.method, job.views, batch)
    total = max(step, reading) * job.plan.steps * job.plan.accumulate * job.plan.batch_size
    slower = ", limited by reading the files" if reading > step else ""
    return f"about {duration(total)} on one process of this machine, measured on {count} images{slower}"


def _batch(job: Job, count: int) -> tuple[Tensor | list[Tensor], float]:
    """The first images as the views want them, and the seconds that a worker needs to read one."""
    images = job.dataset.train
    if isinstance(images, ImageTensor):
        return images.images[:count], 0.0
    begun = time.perf_counter()
    crops = [job.views.crop(partial(images.open, i), torch.Generator().manual_seed(i)) for i in range(count)]
    seconds = (time.perf_counter() - begun) / count / max(1, job.options.workers or 0)
    return [torch.stack(view) for view in zip(*crops, strict=True)], seconds
