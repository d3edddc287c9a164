from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fullrank.losses import koleo
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def by_loops(z: Tensor) -> Tensor:
    unit = z / z.norm(dim=2, keepdim=True)
    logs = []
    for view in unit:
        for i, row in enumerate(view):
            gaps = torch.stack([(row - other).norm() for j, other in enumerate(view) if j != i])
            logs.append((gaps.min() + 1e-8).log())
    return -torch.stack(logs).mean()


@pytest.mark.parametrize("shape", [(1, 12, 4), (2, 4, 12), (3, 5, 3), (2, 2, 2)])
def test_equals_the_definition(shape: tuple[int, ...]) -> None:
    check_reference(koleo, by_loops, noise(*shape))


def test_dinov2_within_the_eps_of_its_distance() -> None:
    """DINOv2 adds 1e-8 to every difference: here the values agree to that."""
    unit = torch.nn.functional.normalize(noise(1, 20, 6)[0], dim=1)
    nearest = (unit @ unit.T).fill_diagonal_(-1).argmax(1)
    distance = torch.nn.functional.pairwise_distance(unit, unit[nearest], eps=1e-8)
    assert value(koleo, unit[None]) == pytest.approx(-float((distance + 1e-8).log().mean()), abs=1e-6)


def test_one_point_costs_the_log_of_eps_and_opposite_poles_the_least() -> None:
    assert value(koleo, aligned(torch.ones(8, 4).double())) == pytest.approx(-math.log(1e-8), rel=1e-9)
    assert value(koleo, torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]])) == pytest.approx(-math.log(2), abs=1e-6)


def test_near_one_point_float32_still_finds_the_nearest() -> None:
    """Similarities near 1 are rounded to 1e-7, squared distances here are 1e-8: the centered rows decide."""
    z = (torch.ones(1, 64, 8) + 1e-4 * noise(1, 64, 8).float()).float()
    assert value(koleo, z) == pytest.approx(float(by_loops(z.double())), abs=1e-3)
