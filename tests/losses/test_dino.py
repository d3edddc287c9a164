"""DINO: the value of the paper, the center, and the two collapses it balances."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import DINO
from fullrank.testing.clouds import noise
from tests.losses.reference import check_reference


def naive(student: Tensor, teacher: Tensor, center: Tensor, teacher_temperature: float) -> Tensor:
    losses = []
    for b in range(len(teacher)):
        p = torch.softmax((teacher[b] - center) / teacher_temperature, 1)
        losses += [-(p * torch.log_softmax(s / 0.1, 1)).sum(1) for a, s in enumerate(student) if a != b]
    return torch.cat(losses).mean()


@pytest.mark.parametrize(("views", "seen"), [(2, 2), (4, 2), (3, 1)])
@pytest.mark.parametrize("teacher_temperature", [0.04, 0.07])
def test_three_steps_equal_the_paper(views: int, seen: int, teacher_temperature: float) -> None:
    dino, center = DINO(outputs=5).double(), torch.zeros(5).double()
    for seed in range(3):
        student, teacher = noise(views, 6, 5, seed=seed), noise(seen, 6, 5, seed=seed + 9) + 0.5
        dino.eval()
        ours = partial(dino, teacher=teacher, teacher_temperature=teacher_temperature)
        theirs = partial(naive, teacher=teacher, center=center, teacher_temperature=teacher_temperature)
        check_reference(ours, theirs, student)
        dino.train()(student, teacher)
        center = 0.9 * center + 0.1 * teacher.flatten(0, 1).mean(0)
        torch.testing.assert_close(dino.center, center, rtol=1e-12, atol=1e-15)


def test_the_center_is_in_the_checkpoint_and_only_training_moves_it() -> None:
    dino, student, teacher = DINO(outputs=5), noise(2, 6, 5), noise(2, 6, 5, seed=1)
    dino.eval()(student, teacher)
    assert float(dino.center.norm()) == 0
    dino.train()(student, teacher)
    assert float(dino.center.norm()) > 0
    resumed = DINO(outputs=5)
    resumed.load_state_dict(dino.state_dict())
    assert torch.equal(resumed(student, teacher)["loss"], dino(student, teacher)["loss"])
    assert torch.equal(resumed.center, dino.center)


def test_the_center_has_no_gradient_and_survives_two_losses_in_one_step() -> None:
    dino, student = DINO(outputs=5), noise(2, 6, 5).requires_grad_()
    teacher = noise(2, 6, 5, seed=1).requires_grad_()
    (dino(student, teacher)["loss"] + dino(student, teacher)["loss"]).backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert bool(student.grad.isfinite().all())
    assert not dino.center.requires_grad


@pytest.mark.parametrize("k", [16, 4096])
def test_equal_outputs_cost_ln_k(k: int) -> None:
    """The plateau 8.3178 = ln 4096 of trainings that collapsed to equal outputs."""
    equal = torch.zeros(2, 4, k)
    assert float(DINO(k)(equal, equal)["loss"]) == pytest.approx(math.log(k), rel=1e-6)
    assert float(DINO(k)(equal, noise(2, 4, k).float())["loss"]) == pytest.approx(math.log(k), rel=1e-5)


def test_one_winning_output_costs_nothing_without_a_center_and_more_than_ln_k_with_it() -> None:
    winner = torch.zeros(2, 4, 16)
    winner[..., 3] = 2.0
    uncentered, centered = DINO(16, momentum=1.0), DINO(16)
    for _ in range(100):
        values = [float(dino(winner, winner)["loss"]) for dino in (uncentered, centered)]
    assert values[0] < 1e-6
    assert values[1] > math.log(16)  # the targets have become equal, the student has not


def test_a_low_temperature_of_the_teacher_sharpens_its_targets() -> None:
    """What forbids equal outputs: the gradient pulls the student towards the larger of two almost equal logits."""
    student = torch.tensor([0.01, 0.0]).expand(2, 4, 2).clone().requires_grad_()
    DINO(2)(student, student.detach())["loss"].backward()
    assert student.grad is not None
    assert bool((student.grad[..., 0] < 0).all())
    student.grad.zero_()
    DINO(2)(student, student.detach(), teacher_temperature=0.2)["loss"].backward()
    assert bool((student.grad[..., 0] > 0).all())
