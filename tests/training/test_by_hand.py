"""Trainings with state, in plain lines beside the trainer: after ten steps weights and all state agree to 1e-6."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from fullrank import recipes
from fullrank.data import train_batches
from fullrank.engine import RunOptions
from fullrank.recipes import Recipe, settings, with_settings
from fullrank.recipes._stepping import Stepping
from fullrank.training.fit import prepare, start
from fullrank.training.module import Training

STEPS, WARMUP, LR = 10, 3, 0.02
STATES: dict[str, dict[str, Any]] = {
    "byol": {"teacher": 0.6},
    "moco": {"teacher": 0.6, "teacher_end": 0.9, "queue": 64},
    "moco_v3": {"teacher": 0.6},
    "dino": {"teacher": 0.6, "prototypes": 20},
    "simdino": {"teacher": 0.6},
    "intl": {"teacher": 0.6},
    "corinfomax": {},
    "nnclr": {"queue": 64},
    "swav": {"prototypes": 20},
    "tico": {},
}
LATE = {"queue": 64, "queue_from": 3 / 43, "freeze_prototypes": 5 / 43}  # in batches, of which 43 are a pass
SCHEDULED: dict[str, dict[str, Any]] = {
    "dino": {**STATES["dino"], "freeze_last_layer": 5 / 43, "clip_gradients": 0.3, "clip_each": True},
    "swav": {**STATES["swav"], **LATE, "clip_gradients": 0.05},
}
FROZEN = {"dino": ("freeze_last_layer", "predictor.weight"), "swav": ("freeze_prototypes", "objective.prototypes")}
FINAL = {"moco": 0.9}  # of the teacher's momentum; the others end at 1


def by_hand(name: str, recipe: Recipe, options: RunOptions) -> dict[str, Tensor]:
    """The state after the training, without a trainer."""
    job = prepare(recipe, options, Console(file=io.StringIO()))
    method, augment = job.method.train(), Training(job.method, job.views, job.plan).augment
    batches = iter(train_batches(job.dataset.train, batch_size=32, seed=0, start=0, stop=STEPS * options.accumulate,
                                 crop=job.views.crop, device="cpu"))  # fmt: skip
    learned = [weight for weight in method.parameters() if weight.requires_grad]
    matrices, vectors = ([weight for weight in learned if (weight.ndim > 1) is wide] for wide in (True, False))
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}]
    adam = recipe.optimizer == "adamw"
    optimizer = torch.optim.AdamW(groups, lr=1.0) if adam else torch.optim.SGD(groups, lr=1.0, momentum=0.9)
    end = 0.1 if recipe.stepping.weight_decay_end is None else recipe.stepping.weight_decay_end
    for step in range(STEPS):
        teacher = getattr(method, "teacher", None)
        if step > 0 and teacher is not None:
            done, final = step / STEPS, FINAL.get(name, 1.0)
            momentum = final - (final - 0.6) * (1 + math.cos(math.pi * done)) / 2
            student = [*method.encoder.parameters(), *method.projector.parameters()]
            student += [*method.predictor.parameters()] if name == "dino" else []  # type: ignore[union-attr]
            with torch.no_grad():
                for old, new in zip(teacher.parameters(), student, strict=True):
                    old.lerp_(new, 1 - momentum)
        optimizer.zero_grad()
        for _ in range(options.accumulate):
            batch = next(batches)
            method.enter(batch.step / 43)
            loss = method.loss(method(augment(batch)))["loss"]
            (loss / options.accumulate).backward()
        if batch.step < 43 * settings(recipe).get(FROZEN.get(name, ("", ""))[0], 0.0):
            dict(method.named_parameters())[FROZEN[name][1]].grad = None
        clip_by_hand([weight.grad for weight in learned if weight.grad is not None], recipe.stepping)
        fraction = (step - WARMUP) / (STEPS - WARMUP)
        cosine = 1e-3 + (1 - 1e-3) * (1 + math.cos(math.pi * fraction)) / 2
        for group in optimizer.param_groups:
            group["lr"] = LR * ((step + 1) / WARMUP if step < WARMUP else cosine)
            decay = end + (0.1 - end) * (1 + math.cos(math.pi * step / STEPS)) / 2
            group["weight_decay"] = decay if group["weight_decay"] else 0.0
        optimizer.step()
    return method.state_dict()


def clip_by_hand(gradients: list[Tensor], stepping: Stepping) -> None:
    """Scale the gradients down to the largest norm."""
    if stepping.clip_gradients is None:
        return
    for group in [[gradient] for gradient in gradients] if stepping.clip_each else [gradients]:
        norm = torch.stack([gradient.norm() for gradient in group]).norm()
        for gradient in group:
            gradient *= (stepping.clip_gradients / (norm + 1e-6)).clamp(max=1)


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "accumulate"), [("adamw", 1), ("sgd", 3)])
@pytest.mark.parametrize("name", STATES)
def test_a_training_equals_one_by_hand(name: str, optimizer: str, accumulate: int, tmp_path: Path) -> None:
    compare(name, STATES[name], optimizer, accumulate, tmp_path)


@pytest.mark.parametrize(("optimizer", "accumulate"), [("adamw", 1), ("sgd", 3)])
@pytest.mark.parametrize("name", SCHEDULED)
@pytest.mark.slow
def test_a_training_with_clipping_freezing_and_a_schedule_of_the_decay_equals_one_by_hand(
    name: str, optimizer: str, accumulate: int, tmp_path: Path
) -> None:
    compare(name, {**SCHEDULED[name], "weight_decay_end": 0.5}, optimizer, accumulate, tmp_path)


def compare(name: str, state: dict[str, Any], optimizer: str, accumulate: int, tmp_path: Path) -> None:
    """Train both ways, and assert that all weights and buffers are equal."""
    shared = {
        "optimizer": optimizer,
        "data": "digits",
        "image_size": 8,
        "batch_size": 32,
        "steps": STEPS,
        "projector": (24, 12),
    }
    rates = {"lr": LR, "weight_decay": 0.1, "warmup_epochs": WARMUP * accumulate / 43}  # 43 batches are a pass
    recipe = with_settings(recipes.load(name)(), {**shared, **rates, **state})
    options = RunOptions(out=tmp_path / "run", accumulate=accumulate, workers=0, devices=1, probe=64)
    start(name, recipe, options, Console(file=io.StringIO()))
    saved = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    expected = by_hand(name, recipe, options)
    assert {key.removeprefix("method.") for key in saved} == set(expected)
    for key, value in expected.items():
        torch.testing.assert_close(saved[f"method.{key}"], value, rtol=1e-5, atol=1e-6)
