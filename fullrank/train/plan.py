"""What a recipe and its options mean in steps, and whether they make sense."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Literal

from fullrank.errors import UserError
from fullrank.train.recipe import Recipe, RunOptions
from fullrank.train.regularize import Regularizers


@dataclass(frozen=True)
class Plan:
    """What one training does, in steps: every random number is a function of the seed and the step."""

    steps: int
    warmup: int
    steps_per_epoch: int
    batch_size: int
    accumulate: int
    optimizer: Literal["adamw", "sgd", "lars"]
    lr: float
    weight_decay: float
    seed: int
    regularizers: Regularizers

    @property
    def epochs(self) -> int:
        """How many passes over the data are begun."""
        return -(-self.steps * self.accumulate // self.steps_per_epoch)


def make_plan(recipe: Recipe, options: RunOptions, images: int) -> Plan:
    """The plan for a training set of so many images; UserError if a batch does not fit into it."""
    if recipe.batch_size > images:
        raise UserError(
            f"--batch-size {recipe.batch_size} is larger than the {images} images of {recipe.data}: "
            f"pass --batch-size {images} or less."
        )
    per_epoch = images // recipe.batch_size
    steps = recipe.steps or max(1, round(recipe.epochs * per_epoch / options.accumulate))
    return Plan(
        steps=steps,
        warmup=min(round(recipe.warmup_epochs * per_epoch / options.accumulate), steps // 2),
        steps_per_epoch=per_epoch,
        batch_size=recipe.batch_size,
        accumulate=options.accumulate,
        optimizer=recipe.optimizer,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        seed=recipe.seed,
        regularizers=Regularizers(
            w2=recipe.w2,
            w2_end=recipe.w2_end,
            uniformity=recipe.uniformity,
            on=recipe.uniform_on,
            energy=recipe.energy,
            energy_power=recipe.energy_power,
            energy_angular=recipe.energy_angular,
            energy_half_space=recipe.energy_half_space,
            energy_on=recipe.energy_on,
        ),
    )


def check(recipe: Recipe, options: RunOptions) -> None:
    """UserError for the first setting that can never work, whatever the data."""
    if options.logger != "none" and importlib.util.find_spec(options.logger) is None:
        raise UserError(f"--logger {options.logger} needs a package: pip install 'fullrank[{options.logger}]'.")
    at_least: list[tuple[str, float | None, float]] = [
        ("--batch-size", recipe.batch_size, 2),
        ("--steps", recipe.steps, 1),
        ("--image-size", recipe.image_size, 1),
        ("--seed", recipe.seed, 0),
        ("--devices", options.devices, 1),
        ("--nodes", options.nodes, 1),
        ("--accumulate", options.accumulate, 1),
        ("--workers", options.workers, 0),
        ("--monitor-every", options.monitor_every, 1),
        ("--checkpoint-every", options.checkpoint_every, 1),
        ("--probe", options.probe, 8),
        ("--warmup-epochs", recipe.warmup_epochs, 0),
        ("--weight-decay", recipe.weight_decay, 0),
    ]
    for flag, value, least in at_least:
        if value is not None and not value >= least:
            raise UserError(f"{flag} {value} is too small: pass {least} or more.")
    for flag, value in (("--lr", recipe.lr), ("--epochs", recipe.epochs)):
        if not 0 < value < float("inf"):
            raise UserError(f"{flag} {value} is no use: pass a positive number.")
    if not recipe.projector or min(recipe.projector) < 1:
        raise UserError(f"--projector {recipe.projector} has no width: pass at least one positive width.")
