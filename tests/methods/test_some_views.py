"""Teachers and students that see some of the views: INTL with a teacher, and DINO's convention."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fullrank import recipes
from fullrank.errors import UserError
from fullrank.losses import byol, intl_with_teacher
from fullrank.methods import TeacherStudent
from fullrank.nn import encoder, mlp
from fullrank.recipes import Recipe


def intl(**changes: float) -> TeacherStudent:
    settings: dict[str, Any] = {"teacher": 0.996, "projector": (32, 8), **changes}
    recipe: Recipe = recipes.load("intl")(**settings)
    torch.manual_seed(0)
    method = recipe.build(encoder("tiny", image_size=16, channels=1))
    assert isinstance(method, TeacherStudent)
    return method


def views(*sizes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(12, 1, size, size, generator=generator) for size in sizes]


@pytest.mark.parametrize("count", [2, 4])
def test_intl_check_12_the_student_sees_every_view_but_the_teachers(count: int) -> None:
    teaching, seen = intl(beta=0.3), views(16, 16, 12, 8)[:count]
    outputs = teaching(seen)
    assert {name: len(z) for name, z in outputs.items()} == {
        "representation": count - 1, "embedding": count - 1, "prediction": count - 1, "target": 1,
    }  # fmt: skip
    expected = intl_with_teacher(outputs["embedding"], outputs["target"], beta=0.3)
    assert torch.equal(teaching.loss(outputs)["loss"], expected["loss"])
    swapped = teaching([seen[0], *views(16, 16, 12, 8)[1:count]])
    torch.testing.assert_close(swapped["target"], outputs["target"])
    first, others = torch.randn_like(seen[0]), seen[1:]
    torch.testing.assert_close(teaching([first, *others])["embedding"], outputs["embedding"])
    assert not torch.allclose(teaching([first, *others])["target"], outputs["target"])


def test_intl_check_12_only_the_student_gets_a_gradient() -> None:
    teaching = intl()
    assert teaching.predictor is None
    teaching.loss(teaching(views(16, 16)))["loss"].backward()
    assert teaching.teacher is not None
    assert all(parameter.grad is None for parameter in teaching.teacher.parameters())
    assert all(parameter.grad is not None for parameter in teaching.encoder.parameters())


def test_intl_check_13_the_momentum_of_the_recipe_rises_to_one() -> None:
    teaching = intl()
    assert (teaching.momentum, teaching.final) == (0.996, 1.0)
    assert teaching.teacher is not None
    with torch.no_grad():
        for parameter in teaching.encoder.parameters():
            parameter.add_(1.0)
    start = [parameter.clone() for parameter in teaching.teacher.parameters()]
    teaching.update(1.0)  # momentum 1: the teacher stays
    assert all(torch.equal(a, b) for a, b in zip(start, teaching.teacher.parameters(), strict=True))
    teaching.update(0.0)
    moved, student = next(teaching.teacher.parameters()), next(teaching.encoder.parameters())
    torch.testing.assert_close(moved, 0.996 * start[0] + 0.004 * student)


def test_without_a_teacher_intl_is_what_it_was() -> None:
    assert not isinstance(recipes.load("intl")().build(encoder("tiny", image_size=16, channels=1)), TeacherStudent)


def test_a_teacher_that_predicts_has_the_average_of_the_predictor() -> None:
    torch.manual_seed(0)
    plain = encoder("tiny", image_size=16, channels=1)
    teaching = TeacherStudent(
        plain, mlp(512, (8,)), nn.Linear(8, 20), byol, momentum=0.5, teacher_views=slice(2), teacher_predicts=True
    )
    outputs = teaching(views(16, 16, 12))
    assert (outputs["prediction"].shape, outputs["target"].shape) == ((3, 12, 20), (2, 12, 20))
    torch.testing.assert_close(outputs["target"], outputs["prediction"][:2].detach())
    assert isinstance(teaching.predictor, nn.Linear)
    before = teaching.predictor.bias.detach().clone()
    with torch.no_grad():
        teaching.predictor.bias.add_(1.0)
    teaching.update(0.0)
    assert teaching.teacher is not None
    torch.testing.assert_close(teaching.teacher.state_dict()["2.bias"], before + 0.5)


@pytest.mark.parametrize("momentum", [-0.1, 1.1, float("nan")])
def test_a_momentum_is_a_share(momentum: float) -> None:
    with pytest.raises(UserError, match=r"A teacher cannot have the momentum .*: pass a number from 0 to 1"):
        recipes.load("byol")(teacher=momentum).build(encoder("tiny", image_size=16, channels=1))  # type: ignore[call-arg]
