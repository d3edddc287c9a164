from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import vibcreg
from fullrank.stats import hill, spectrum
from fullrank.testing.clouds import aligned, noise, one_point, spread_cloud
from fullrank.testing.loss_values import gradient, value
from tests.losses.reference import check_reference


def iter_norm(x: Tensor, iterations: int) -> Tensor:
    """IterNorm as it is published, D x D: P <- (3 P - P^3 S) / 2 for the covariance S over its trace."""
    x = x - x.mean(0)
    covariance = x.T @ x / (len(x) - 1)
    s = covariance / covariance.trace()
    p = torch.eye(len(s), dtype=x.dtype)
    for _ in range(iterations):
        p = (3 * p - p @ p @ p @ s) / 2
    return x @ p / covariance.trace().sqrt()


def naive(z: Tensor, iterations: int) -> Tensor:
    views, _, d = z.shape
    white = [iter_norm(view, iterations) for view in z]
    pairs = [(a, b) for a in range(views) for b in range(a)]
    invariance = torch.stack([(white[a] - white[b]).square().mean() for a, b in pairs]).mean()
    variance = torch.stack([torch.relu(1 - (x.var(0) + 1e-4).sqrt()).mean() for x in white]).mean()
    off = ~torch.eye(d, dtype=torch.bool)
    correlation = torch.stack([torch.corrcoef(x.T)[off].square().sum() / d**2 for x in white]).mean()
    return 25 * invariance + 25 * 2 * variance + 200 * 2 * correlation


@pytest.mark.parametrize(("views", "n", "d"), [(2, 12, 4), (2, 4, 12), (2, 5, 5), (3, 8, 3)])
@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_equals_the_formula_on_both_sides(views: int, n: int, d: int, iterations: int) -> None:
    check_reference(partial(vibcreg, iterations=iterations), partial(naive, iterations=iterations), noise(views, n, d))


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e-20, 1e20])
def test_one_point_costs_the_whole_variance_at_any_scale(scale: float) -> None:
    assert value(vibcreg, aligned(torch.full((8, 4), scale).double())) == pytest.approx(49.5, abs=1e-9)


def test_a_white_cloud_is_the_optimum() -> None:
    white = aligned(spread_cloud(64, 16))
    assert value(partial(vibcreg, iterations=30), white) == pytest.approx(0, abs=1e-9)
    assert 0 < value(vibcreg, white) < 1.0  # what five iterations leave of the variance


def test_the_declared_blindness_one_point_with_noise_costs_what_the_noise_costs() -> None:
    cloud = spread_cloud(64, 16)
    assert value(vibcreg, aligned(one_point(cloud) + 1e-3 * cloud)) == pytest.approx(value(vibcreg, aligned(cloud)))


def test_descent_from_four_dimensions_leads_to_full_rank() -> None:
    z = spread_cloud(64, 16)
    z[:, 4:] *= 1e-2
    assert hill(spectrum(z), 1.0) < 4.1
    for _ in range(60):
        direction = gradient(vibcreg, aligned(z)).sum(0)
        z = z - 0.05 * float(z.norm() / direction.norm()) * direction
    assert hill(spectrum(z), 1.0) > 12
