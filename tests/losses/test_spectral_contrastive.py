from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import spectral_contrastive
from fullrank.testing.clouds import aligned, noise, spread_cloud
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def by_loops(z: Tensor, mu: float) -> Tensor:
    """The authors' code for two views, pair by pair."""
    a, b = ([row if row.norm() < mu**0.5 else mu**0.5 * row / row.norm() for row in view] for view in z)
    n = len(a)
    attraction = sum((-2 * (x @ y) for x, y in zip(a, b, strict=True)), torch.tensor(0.0)) / n
    pairs = [(a[i] @ b[j]) ** 2 for i in range(n) for j in range(n) if i != j]
    return (attraction + torch.stack(pairs).mean()) / mu


@pytest.mark.parametrize("mu", [1.0, 5.0])
@pytest.mark.parametrize(("n", "d"), [(9, 3), (4, 8), (2, 2)])
def test_equals_the_authors_code_inside_and_outside_of_the_ball(n: int, d: int, mu: float) -> None:
    check_reference(partial(spectral_contrastive, mu=mu), partial(by_loops, mu=mu), noise(2, n, d))


@pytest.mark.parametrize("mu", [0.5, 1.0, 10.0])
def test_one_point_costs_mu_minus_2(mu: float) -> None:
    point = aligned(100 * torch.ones(6, 3, dtype=torch.float64))
    assert value(partial(spectral_contrastive, mu=mu), point) == pytest.approx(mu - 2, abs=1e-9)


def test_the_terms_and_the_optimum() -> None:
    terms = spectral_contrastive(aligned(torch.eye(4, dtype=torch.float64)))
    assert float(terms["attraction"]) == -2.0
    assert float(terms["repulsion"]) == 0.0


def test_shrinking_inside_of_the_ball_costs() -> None:
    cloud = aligned(spread_cloud(64, 16))
    inside = cloud / float(cloud.norm(dim=2).max())
    full, half, tiny = (value(spectral_contrastive, scale * inside) for scale in (1.0, 0.5, 1e-4))
    assert full < half < tiny
