"""Spread: closed forms and ranges."""

from __future__ import annotations

import math

import pytest
import torch
from torchmetrics.functional.pairwise import pairwise_cosine_similarity

from fullrank.metrics import dimension_std, mean_cosine, relative_spread
from fullrank.stats import normalize
from tests.metrics.clouds import gaussian, offset


def test_relative_spread_of_unit_rows_is_the_length_of_the_mean() -> None:
    u = normalize(gaussian(50, 8) + 0.7)
    assert relative_spread(u) == pytest.approx(math.sqrt(1 - float(u.mean(0).square().sum())))


def test_relative_spread_sees_translation_but_not_scale() -> None:
    z = gaussian(100, 8)
    assert relative_spread(z * 1e-20) == pytest.approx(relative_spread(z))
    assert relative_spread(z + 100) < 0.02
    assert relative_spread(offset(0.25)) == pytest.approx(0.25, rel=0.01)


def test_float32_far_from_the_origin_keeps_its_spread() -> None:
    z = (gaussian(1000, 16) + 1e5).float()
    assert relative_spread(z) == pytest.approx(1e-5, rel=0.02)


def test_mean_cosine_is_the_mean_over_pairs() -> None:
    z = gaussian(20, 5) + 0.3
    u = normalize(z)
    pairs = (u @ u.T)[torch.ones(20, 20, dtype=torch.bool).triu(1)]
    assert mean_cosine(z) == pytest.approx(float(pairs.mean()))
    assert mean_cosine(torch.tensor([[1.0, 0.0], [-3.0, 0.0]])) == -1.0


def test_mean_cosine_is_that_of_torchmetrics() -> None:
    z = offset(0.7, n=200, d=16)
    cosines = pairwise_cosine_similarity(z, zero_diagonal=True)
    assert mean_cosine(z) == pytest.approx(float(cosines.sum()) / (200 * 199))


def test_zero_rows_are_one_point() -> None:
    assert mean_cosine(torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])) == pytest.approx(1 / 3)


def test_dimension_std_is_simsiams_times_the_root_of_the_width() -> None:
    z = gaussian(64, 10) + 0.2
    simsiam = torch.nn.functional.normalize(z).std(0, correction=0).mean()
    assert dimension_std(z) == pytest.approx(float(simsiam) * math.sqrt(10))
    assert dimension_std(torch.cat([torch.eye(4), -torch.eye(4)])) == pytest.approx(1.0)
