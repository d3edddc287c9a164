"""DINO's method: who sees what, what the teacher averages, and its temperature."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank import recipes
from fullrank.losses import DINO
from fullrank.methods import SelfDistillation
from fullrank.nn import encoder


def dino(temperature: float = 0.04) -> SelfDistillation:
    torch.manual_seed(0)
    recipe = recipes.load("dino")(projector=(32, 8), prototypes=20, teacher_temperature=temperature)  # type: ignore[call-arg]
    method = recipe.build(encoder("tiny", image_size=16, channels=1))
    assert isinstance(method, SelfDistillation)
    return method


def views(*sizes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(12, 1, size, size, generator=generator) for size in sizes]


def test_the_teacher_sees_two_views_and_the_student_all() -> None:
    outputs = dino()(views(16, 16, 12, 8))
    shapes = {name: tuple(z.shape) for name, z in outputs.items()}
    assert shapes == {
        "representation": (4, 12, 512),
        "embedding": (4, 12, 8),
        "prediction": (4, 12, 20),
        "target": (2, 12, 20),
    }
    assert float(outputs["prediction"].detach().abs().max()) <= 1 + 1e-6  # cosines


@pytest.mark.parametrize("temperature", [0.04, 0.07])
def test_the_temperature_reaches_the_loss(temperature: float) -> None:
    method = dino(temperature)
    outputs = method(views(16, 16))
    expected = DINO(20).forward(outputs["prediction"], outputs["target"], teacher_temperature=temperature)["loss"]
    assert torch.equal(method.loss(outputs)["loss"], expected)


def test_the_student_learns_and_the_teacher_follows_with_its_prototypes() -> None:
    method = dino()
    method.loss(method(views(16, 16)))["loss"].backward()
    teacher = method.teacher
    assert teacher is not None
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert all(parameter.grad is not None for name, parameter in method.named_parameters() if "teacher" not in name)
    assert len(list(teacher.parameters())) == sum("teacher" not in name for name, _ in method.named_parameters())
    assert {"objective.center", "teacher.2.weight"} <= method.state_dict().keys()
    assert bool((method.state_dict()["objective.center"] != 0).any())
