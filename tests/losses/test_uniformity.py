from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from scipy.special import hyp0f1
from torch import Tensor

from fullrank.losses import uniformity
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def reference(z: Tensor, t: float) -> Tensor:
    """The authors' code, on normalized rows, averaged over views."""
    unit = z / z.norm(dim=2, keepdim=True)
    return torch.stack([torch.pdist(view).square().mul(-t).exp().mean().log() for view in unit]).mean()


@pytest.mark.parametrize("t", [1.0, 2.0, 5.0])
@pytest.mark.parametrize("shape", [(2, 12, 4), (3, 5, 9), (1, 4, 3)])
def test_equals_the_authors_code(t: float, shape: tuple[int, ...]) -> None:
    check_reference(partial(uniformity, t=t), partial(reference, t=t), noise(*shape))


@pytest.mark.parametrize("k", [2, 8, 32])
def test_w2_check_07_the_value_of_an_even_sphere(k: int) -> None:
    even = -4 + math.log(hyp0f1(k / 2, 4))
    assert value(uniformity, noise(1, 3000, k)) == pytest.approx(even, abs=4e-3)


def test_nearly_blind_to_lost_dimensions() -> None:
    z = noise(2, 500, 256)
    half_dead = z.clone()
    half_dead[:, :, 128:] = 0
    assert value(uniformity, half_dead) - value(uniformity, z) < 0.05


def check_06_base() -> Tensor:
    unit = torch.nn.functional.normalize(noise(20, 8), dim=1)
    unit[:, 6:] = 0
    return torch.nn.functional.normalize(unit, dim=1)


@pytest.mark.parametrize("copies", [2, 3, 5, 10])
def test_w2_check_06_cloned_samples_cost_as_the_formula_says(copies: int) -> None:
    base = check_06_base()
    n, kernels = len(base), float(torch.pdist(base).square().mul(-2).exp().sum())
    clones, pairs = n * copies * (copies - 1) / 2, copies * n * (copies * n - 1) / 2
    answer = value(uniformity, base.repeat(copies, 1)[None])
    assert answer == pytest.approx(math.log((copies**2 * kernels + clones) / pairs), abs=1e-10)
    assert answer > value(uniformity, base[None])


@pytest.mark.parametrize("zeros", [1, 4, 8, 80])
def test_w2_check_06_blind_to_zero_features_and_to_cloned_features(zeros: int) -> None:
    base = check_06_base()
    padded = torch.nn.functional.pad(base, (0, zeros))
    cloned = torch.cat([base, base], dim=1)
    assert value(uniformity, aligned(padded)) == pytest.approx(value(uniformity, aligned(base)), abs=1e-10)
    assert value(uniformity, aligned(cloned)) == pytest.approx(value(uniformity, aligned(base)), abs=1e-10)
