"""The verdict on clouds of known collapse, at the two sizes its thresholds were checked at."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fullrank.diagnosis import verdict
from fullrank.errors import UserError
from fullrank.metrics import summarize
from fullrank.stats import decay
from tests.metrics.clouds import gaussian, low_rank, offset, power_law

SIZES = pytest.mark.parametrize(("n", "d"), [(1500, 128), (96, 512)])


def judged(z: Tensor) -> tuple[str, bool]:
    answer = verdict(summarize(z))
    return answer.kind, answer.collapsed


def clusters(k: int, n: int, d: int) -> Tensor:
    return gaussian(k, d)[torch.arange(n) % k] + 0.05 * gaussian(n, d, seed=1)


@SIZES
def test_benign_clouds_are_healthy(n: int, d: int) -> None:
    assert judged(gaussian(n, d)) == ("healthy", False)
    assert judged(power_law(0.5, n, d)) == ("healthy", False)
    assert judged(power_law(1.0, n, d)) == ("healthy", False)
    assert judged(gaussian(n, d).relu()) == ("healthy", False)
    assert judged(offset(0.5, n, d)) == ("healthy", False)  # a cone of cosine 0.75


@SIZES
def test_a_point_is_complete_collapse_whatever_its_rank(n: int, d: int) -> None:
    point = summarize(offset(1e-3, n, d))
    assert point["effective_rank"] > 50
    assert verdict(point).kind == "complete"
    assert verdict(point).collapsed
    assert judged(torch.ones(n, d)) == ("complete", True)
    assert judged(torch.zeros(n, d)) == ("complete", True)
    assert judged(offset(0.2, n, d)) == ("complete", False)  # cosine 0.96: a warning


@SIZES
def test_few_directions_are_dimensional_collapse(n: int, d: int) -> None:
    assert judged(low_rank(8, n, d)) == ("dimensional", True)
    assert judged(power_law(2.0, n, d)) == ("dimensional", True)
    assert judged(power_law(1.5, n, d)) == ("dimensional", False)


def test_clusters_are_at_least_a_warning() -> None:
    assert judged(clusters(10, 1500, 128))[0] == "dimensional"
    assert judged(clusters(4, 1500, 128)) == ("dimensional", True)


@SIZES
def test_one_large_dimension_is_a_warning_not_a_collapse(n: int, d: int) -> None:
    z = gaussian(n, d)
    z[:, 0] *= 30
    assert judged(z) == ("dimensional", False)


def test_a_cone_does_not_hide_a_lost_rank() -> None:
    assert judged(low_rank(4, 1500, 128) + 5 * gaussian(1, 128, seed=7) / math.sqrt(128)) == ("dimensional", True)


def test_too_few_rows_are_undetermined_unless_they_are_a_point() -> None:
    assert judged(gaussian(3, 64)) == ("undetermined", False)
    assert judged(gaussian(31, 64)) == ("undetermined", False)
    assert judged(offset(1e-3, 31, 64)) == ("complete", True)
    assert verdict({**summarize(gaussian(64, 8)), "rankme": math.nan}).kind == "undetermined"


def test_the_sentence_holds_the_numbers() -> None:
    row = {"relative_spread": 0.002, "mean_cosine": 1.0, "effective_rank": 31.0, "rankme": 1.2}
    row |= {"participation_ratio": 30.0, "n": 1000, "dims": 32}
    said = verdict(row).sentence
    assert said.startswith("Collapsed to a point")
    assert "0.2 % of the norm" in said
    assert "31.0" in said
    few = verdict(summarize(low_rank(8, 1500, 128))).sentence
    assert few.startswith("Collapsed to few dimensions")
    assert "of 128 possible" in few
    assert "above 48" in verdict(summarize(gaussian(96, 512))).sentence


def test_a_missing_number_is_named() -> None:
    with pytest.raises(UserError, match="lack rankme, n:"):
        verdict({name: 1.0 for name in summarize(torch.eye(3)) if name not in ("rankme", "n")})


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 1.5, 2.0])
def test_decay_inverts_the_participation_ratio_of_a_power_law(alpha: float) -> None:
    weights = torch.arange(1, 257, dtype=torch.float64) ** -alpha
    assert decay(float(weights.sum() ** 2 / weights.square().sum()), 2, 256) == pytest.approx(alpha, abs=1e-6)
    assert decay(1.0, 2, 1) == 0


def test_one_direction_of_many_lengths_is_a_complete_collapse() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.rand(200, 1, generator=generator) + 0.5
    z = lengths * (torch.ones(16) + 1e-3 * torch.randn(200, 16, generator=generator))
    found = verdict(summarize(z))
    assert (found.kind, found.collapsed) == ("complete", True)
    assert found.sentence.startswith("Collapsed to one direction: the mean cosine is 1.000")
