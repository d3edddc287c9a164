"""A training in plain lines, without Lightning: what a recipe optimizes in a few steps on digits."""

from __future__ import annotations

import io
from dataclasses import replace

import torch
from rich.console import Console
from torch import Tensor

from fullrank.data import train_batches
from fullrank.engine import RunOptions
from fullrank.recipes import Recipe
from fullrank.training.fit import prepare
from fullrank.training.module import Training


class Stepped(Training):
    """A training whose optimizer steps are counted by hand."""

    done = 0

    @property
    def global_step(self) -> int:
        return self.done


def trained(recipe: Recipe, *, accumulate: int = 1) -> list[Tensor]:
    """Losses of each batch, and at the end all weights and buffers, of a whole short training on digits."""
    options = RunOptions(accumulate=accumulate, workers=0, devices=1)
    job = prepare(replace(recipe, data="digits"), options, Console(file=io.StringIO()))
    training, losses = Stepped(job.method, job.views, job.plan), []
    configured = training.configure_optimizers()
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    batches = train_batches(
        job.dataset.train,
        batch_size=job.plan.batch_size,
        seed=recipe.seed,
        start=0,
        stop=job.plan.steps * accumulate,
        crop=job.views.crop,
        device="cpu",
    )
    training.train()
    with torch.random.fork_rng():
        for batch in batches:
            loss = training.training_step(batch, batch.step) / accumulate
            loss.backward()
            losses.append(loss.detach())
            if (batch.step + 1) % accumulate == 0:
                training.on_before_optimizer_step(optimizer)
                optimizer.step()
                optimizer.zero_grad()
                schedule.step()
                training.done += 1
    return [*losses, *(value.clone() for value in training.method.state_dict().values())]


def differ(first: list[Tensor], second: list[Tensor]) -> bool:
    """Whether two trainings are anywhere different."""
    same = [a.shape == b.shape and torch.equal(a, b) for a, b in zip(first, second, strict=False)]
    return len(first) != len(second) or not all(same)
