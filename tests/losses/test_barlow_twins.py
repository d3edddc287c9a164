from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank.losses import barlow_twins
from fullrank.testing.clouds import aligned, noise, spread_cloud
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def authors(z: Tensor) -> Tensor:
    """The authors' code for two views: batch norm without weights, C (D, D)."""
    a, b = (torch.nn.functional.batch_norm(view, None, None, training=True, eps=1e-5) for view in z)
    c = a.T @ b / len(a)
    off = ~torch.eye(len(c), dtype=torch.bool)
    return (c.diagonal() - 1).square().sum() + 0.0051 * c[off].square().sum()


def by_pairs(z: Tensor) -> Tensor:
    return (authors(z[[0, 1]]) + authors(z[[0, 2]]) + authors(z[[1, 2]])) / 3


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (6, 6), (2, 3)])
def test_equals_the_authors_code_on_both_sides(n: int, d: int) -> None:
    check_reference(barlow_twins, authors, 3 * noise(2, n, d) + 1)


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12)])
def test_three_views_are_the_mean_over_pairs(n: int, d: int) -> None:
    check_reference(barlow_twins, by_pairs, noise(3, n, d))


def test_w2_check_16_identical_whitened_views_cost_nothing() -> None:
    assert value(barlow_twins, aligned(spread_cloud(64, 16))) == pytest.approx(0.0, abs=1e-8)


def test_a_point_costs_the_number_of_features() -> None:
    assert value(barlow_twins, torch.ones(2, 256, 64)) == pytest.approx(64.0)


def test_the_released_scale_is_a_pair_of_weights() -> None:
    z = noise(2, 12, 4)
    scaled = barlow_twins(z, on_diagonal=0.024, off_diagonal=0.024 * 0.0051)["loss"]
    assert float(scaled) == pytest.approx(0.024 * value(barlow_twins, z), rel=1e-12)
