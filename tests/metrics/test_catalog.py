"""What else is listed: descriptions, pair metrics, and the value of every metric of perfect data."""

from __future__ import annotations

import math

import pytest
import torch

import fullrank.metrics as room
from fullrank.errors import UserError
from fullrank.metrics import DESCRIPTIONS, METRICS, PAIR_METRICS, Description, Metric
from tests.test_contract_metrics import D, N, edges, faults, noise, rotation


@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda description: description.name)
def test_descriptions_are_defined_and_invariant(description: Description) -> None:
    for case, z in edges().items():
        value = description.function(z)
        assert type(value) is float, f"{description.name} of {case} is a {type(value)}"
        assert description.low <= value <= description.high, f"{description.name} of {case} is {value}"
    tilted = noise() * torch.linspace(0.5, 2, D) + 0.3
    same = pytest.approx(description.function(tilted), rel=1e-6)
    assert description.function(tilted.flip(0)) == same
    assert (description.function(tilted * 1e6) == same) != description.scales
    assert (description.function(tilted @ rotation()) == same) == description.rotates
    for point in [torch.full((N, D), 0.1), noise(1).expand(N, D) * 1e-30, torch.zeros(N, D), noise(1)]:
        if description.at_point is not None:
            assert description.function(point) == pytest.approx(description.at_point, abs=1e-6)


def check_null(metric: Metric, n: int, d: int) -> None:
    drawn = sum(metric.function(noise(n, d, seed)) for seed in range(4)) / 4
    # 8 % for largest over smallest eigenvalue of four draws; 0.1 for the unbiased ratio's cut at D, as an exponent
    assert metric.null(n, d) == pytest.approx(drawn, rel=0.08, abs=0.1 if metric.name == "decay_exponent" else 0.03)


@pytest.mark.parametrize(("n", "d"), [(300, 40), (40, 100)])
def test_every_null_is_the_mean_over_isotropic_draws(n: int, d: int) -> None:
    assert faults(check_null, [(metric, n, d) for metric in METRICS]) == []


@pytest.mark.parametrize("pair", PAIR_METRICS, ids=lambda pair: pair.name)
def test_pair_metrics_are_ideal_by_chance_or_collapsed(pair: room.PairMetric) -> None:
    z = noise()
    point = torch.full((N, D), 0.1)
    assert pair.function(z, 3 * z) == pytest.approx(pair.ideal, abs=1e-6)
    assert pair.function(z, noise(seed=7)) == pytest.approx(pair.chance(N), abs=0.02)
    assert pair.function(point, point) == pytest.approx(pair.chance(N) if pair.collapsed is None else 0.0, abs=0.02)
    for case, x in edges().items():
        assert -1 <= pair.function(x, x) <= 1 + 1e-9, case
    with pytest.raises(UserError, match="contain NaN"):
        pair.function(z, torch.full((N, D), math.nan))
    with pytest.raises(UserError, match=r"shape|rows"):
        pair.function(z, z[1:])
