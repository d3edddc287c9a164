"""What a step takes from where it stands in the training."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
import torch
from rich.console import Console

from fullrank.data.batches import Batch
from fullrank.engine import RunOptions
from fullrank.recipes import Recipe
from fullrank.recipes.invariance import Invariance
from fullrank.regularizers.w2 import W2
from fullrank.training.fit import prepare
from fullrank.training.step_plan import make_plan
from tests.training.steps import Stepped

IMAGES = torch.randint(256, (8, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def training(recipe: Recipe, *, steps: int, accumulate: int, per_epoch: int) -> Stepped:
    """A training on digits whose passes over the data are as short as one likes."""
    small = replace(recipe, data="digits", image_size=16, batch_size=8, steps=steps, projector=(16, 4))
    job = prepare(small, RunOptions(devices=1, accumulate=accumulate), Console(file=io.StringIO()))
    return Stepped(job.method, job.views, replace(job.plan, steps_per_epoch=per_epoch))


def test_each_step_has_views_of_its_own_which_are_always_the_same() -> None:
    one = training(Invariance(), steps=2, accumulate=1, per_epoch=2)
    first, again, second = (torch.stack(one.augment(Batch(step, IMAGES))) for step in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


def test_a_weight_that_falls_by_epoch_falls_with_the_passes_over_the_data() -> None:
    """Three optimizer steps of two batches, and two batches in a pass: three epochs."""
    one = training(Invariance(w2=W2(1.0, w2_end=0.0)), steps=3, accumulate=2, per_epoch=2)
    weights = []
    for step in range(6):
        one.training_step(Batch(step, IMAGES), step)
        spread = one.terms.get("+w2", torch.ones(()))
        weights.append(float((one.terms["loss"] - one.terms["alignment"]) / spread))
    assert weights == pytest.approx([2 / 3, 2 / 3, 1 / 3, 1 / 3, 0, 0], abs=1e-5)


def test_passes_over_the_data_take_an_optimizer_step_for_every_so_many_batches() -> None:
    recipe = Recipe(batch_size=8, epochs=3.0, lr=0.1, warmup_epochs=1.0)
    plans = [make_plan(recipe, RunOptions(devices=1, accumulate=accumulate), 80) for accumulate in (1, 2)]
    assert [(plan.steps_per_epoch, plan.steps, plan.warmup, plan.epochs) for plan in plans] == [
        (10, 30, 10, 3),
        (10, 15, 5, 3),
    ]
