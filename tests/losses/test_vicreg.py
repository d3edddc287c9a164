from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank.losses import vicreg
from fullrank.testing.clouds import aligned, noise, spread_cloud
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def authors(z: Tensor) -> Tensor:
    """The authors' code for two views, D x D."""
    x, y = z
    samples, features = x.shape
    invariance = torch.nn.functional.mse_loss(x, y)
    x, y = x - x.mean(0), y - y.mean(0)
    std_x, std_y = (x.var(0) + 1e-4).sqrt(), (y.var(0) + 1e-4).sqrt()
    variance = torch.relu(1 - std_x).mean() / 2 + torch.relu(1 - std_y).mean() / 2
    off = ~torch.eye(features, dtype=torch.bool)
    covariance = sum(((w.T @ w / (samples - 1))[off].square().sum() / features for w in (x, y)), torch.tensor(0.0))
    return 25 * invariance + 25 * variance + covariance


def by_pairs(z: Tensor) -> Tensor:
    return (authors(z[[0, 1]]) + authors(z[[0, 2]]) + authors(z[[1, 2]])) / 3


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (6, 6), (2, 3)])
def test_equals_the_authors_code_on_both_sides(n: int, d: int) -> None:
    check_reference(vicreg, authors, 0.8 * noise(2, n, d) + 3)


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12)])
def test_three_views_are_the_mean_over_pairs(n: int, d: int) -> None:
    check_reference(vicreg, by_pairs, 0.8 * noise(3, n, d))


def test_the_terms() -> None:
    z = 0.5 * noise(2, 40, 3)
    terms = vicreg(z)
    assert float(terms["invariance"]) == pytest.approx(float((z[0] - z[1]).square().mean()), rel=1e-12)
    hinge = torch.relu(1 - (z.var(1) + 1e-4).sqrt()).mean()
    assert float(terms["variance"]) == pytest.approx(float(hinge), rel=1e-12)


def test_zeros_cost_24_75_and_a_whitened_cloud_nothing() -> None:
    assert value(vicreg, torch.zeros(2, 256, 64)) == pytest.approx(24.75, abs=1e-4)
    assert value(vicreg, aligned(spread_cloud(64, 16))) == pytest.approx(0.0, abs=1e-10)


def test_each_weight_weighs_its_term() -> None:
    z = 0.5 * noise(2, 10, 3)
    terms = vicreg(z, invariance=2.0, variance=3.0, covariance=5.0)
    expected = 2 * terms["invariance"] + 3 * terms["variance"] + 5 * terms["covariance"]
    torch.testing.assert_close(terms["loss"], expected, rtol=1e-12, atol=0)
