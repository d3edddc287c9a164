from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import frossl
from fullrank.stats import hill, spectrum
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_laws import check_finite
from tests.losses.reference import check_reference


def lightly(z: Tensor, invariance: float = 1.0) -> Tensor:
    """lightly's formula, always D x D."""
    views, _, features = z.shape
    x = torch.nn.functional.normalize(z, dim=1)
    total = torch.zeros((), dtype=z.dtype)
    for view in x:
        c = view.T @ view
        total = total + 2 * torch.linalg.norm(c / c.trace()).log()
        total = total + invariance * views * features * torch.nn.functional.mse_loss(view, x.mean(0))
    return total


@pytest.mark.parametrize("shape", [(2, 12, 4), (2, 4, 12), (3, 5, 5), (2, 2, 3)])
@pytest.mark.parametrize("invariance", [1.0, 2.5])
def test_equals_lightly_on_both_sides(shape: tuple[int, ...], invariance: float) -> None:
    check_reference(
        partial(frossl, invariance=invariance), partial(lightly, invariance=invariance), noise(*shape) + 0.3
    )


def test_the_collision_is_minus_the_log_of_the_participation_ratio() -> None:
    z = noise(1, 40, 6)
    unit = z[0] / z[0].norm(dim=0)
    expected = -2 * math.log(hill(spectrum(unit, centered=False), 2.0))
    assert float(frossl(aligned(z[0]))["collision"]) == pytest.approx(expected, rel=1e-10)


def test_one_point_costs_nothing_and_equal_dimensions_the_log_of_their_number() -> None:
    assert float(frossl(torch.ones(2, 8, 4).double())["loss"]) == pytest.approx(0.0, abs=1e-12)
    assert float(frossl(aligned(torch.eye(4, dtype=torch.float64)))["loss"]) == pytest.approx(
        -2 * math.log(4), rel=1e-12
    )


def test_one_view_of_zeros_is_collapsed_not_nan() -> None:
    z = noise(2, 8, 4)
    z[1] = 0.0
    check_finite(frossl, z)
    assert float(frossl(z)["collision"]) == pytest.approx(float(frossl(aligned(z[0]))["collision"]) / 2, rel=1e-12)
