"""Checks 9 to 12 of the HSR-BYOL specification through a method and the real training step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from scipy.special import hyp0f1
from torch import Tensor

from fullrank import recipes
from fullrank.losses import combine, compressive_energy, hyperspherical_energy
from fullrank.methods import TeacherStudent
from fullrank.nn import encoder
from fullrank.recipes import Recipe
from fullrank.regularizers.energy import Energy
from fullrank.testing.clouds import noise
from fullrank.training import module
from fullrank.training.regularize import regularize
from tests.training.conftest import small, train

__all__ = ["small", "train"]  # fixtures

Train = Callable[..., tuple[Path, bool]]


def recipe(**changes: float) -> Recipe:
    settings = {"data": "digits", "image_size": 16, "batch_size": 32, "steps": 6, "projector": (16, 8)}
    made: Recipe = recipes.load("byol")(**settings, predictor=(16,), **changes)  # type: ignore[arg-type, call-arg]
    return made


def weights(run: Path) -> dict[str, Tensor]:
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    return {**load_file(run / "encoder.safetensors"), **state}


def test_hsr_check_09_table_of_the_best_uniformity() -> None:
    table = {2: -1.575, 8: -3.083, 64: -3.875, 128: -3.938, 256: -3.969, 512: -3.984, 2048: -3.996}
    for d, best in table.items():
        assert -4 + math.log(hyp0f1(d / 2, 4)) == pytest.approx(best, abs=6e-4)


@pytest.mark.slow
def test_hsr_check_10_weights_of_zero_are_plain_byol_bit_for_bit(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through whole trainings: with all weights 0, with the energy, and with the regularizers taken out of the step."""
    zero, _ = train("zero", replace(recipe(), energy=Energy(0.0, energy_power=0, energy_half_space=True)))
    energy, _ = train("energy", replace(recipe(), energy=Energy(1.0, energy_power=0, energy_half_space=True)))
    monkeypatch.setattr(module, "regularize", lambda terms, *others, **options: terms)
    plain, _ = train("plain", recipe())
    a, b, c = (weights(run) for run in (plain, zero, energy))
    assert list(a) == list(b)
    assert any(name.startswith("method.teacher.") for name in a)
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


def test_hsr_check_11_the_energy_moves_neither_teacher_nor_norms_nor_biases() -> None:
    torch.manual_seed(0)
    method = recipe().build(encoder("tiny", image_size=16, channels=1))
    assert isinstance(method, TeacherStudent)
    none = combine({"nothing": (1.0, torch.zeros(()))})
    outputs = {"embedding": torch.zeros(2, 4, 8)}
    regularize(none, outputs, method, replace(recipe(), energy=Energy(1.0)), epoch=1, epochs=1)["loss"].backward()
    moved = {name for name, parameter in method.named_parameters() if parameter.grad is not None}
    weights_of = {name for name, parameter in method.named_parameters() if parameter.ndim > 1}
    student = {name for name in weights_of if not name.startswith("teacher.")}
    assert moved == student
    assert {name.split(".")[0] for name in moved} == {"encoder", "projector", "predictor"}


@pytest.mark.parametrize("half_space", [False, True])
def test_hsr_check_12_a_square_orthogonal_projection_keeps_the_energy(half_space: bool) -> None:
    weight, turn = noise(7, 12), torch.linalg.qr(noise(12, 12, seed=1)).Q
    energies = [float(hyperspherical_energy(each, half_space=half_space)) for each in (weight, weight @ turn)]
    assert energies[0] == pytest.approx(energies[1], abs=1e-12)


def test_hsr_check_12_more_projected_dimensions_come_closer_to_the_energy() -> None:
    weight = noise(8, 64)
    exact = float(hyperspherical_energy(weight, half_space=True))
    errors = []
    for dims in (10, 1000):
        drawn = torch.Generator().manual_seed(0)
        errors.append(abs(float(compressive_energy(weight, dims=dims, projections=20, generator=drawn)) - exact))
    assert errors[1] < 0.2 * errors[0]
