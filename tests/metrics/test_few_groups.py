"""The participation ratio of rows that were sampled together: brute force, invariances, and coverage."""

from __future__ import annotations

from functools import reduce
from itertools import permutations, product

import pytest
import torch
from torch import Tensor

from fullrank.metrics.measure import measure
from fullrank.metrics.of_units import participation_of_groups
from fullrank.metrics.uncertainty import Estimate
from fullrank.stats import merge, moments
from fullrank.stats.sketch import sketch
from tests.metrics.clouds import gaussian


def of(parts: list[Tensor]) -> Estimate:
    groups = [moments(part) for part in parts]
    return participation_of_groups(groups, reduce(merge, groups))


def test_it_is_the_mean_over_rows_of_four_different_groups() -> None:
    parts = list((gaussian(13, 3, seed=1) + 5).split([1, 2, 3, 2, 4, 1]))
    squares, squared_traces = [], []
    for four in permutations(parts, 4):
        for x, y, u, v in product(*four):
            squares.append(((x - y) @ (u - v)) ** 2 / 4)
            squared_traces.append((x - y).square().sum() * (u - v).square().sum() / 4)
    assert of(parts).value == pytest.approx(float(sum(squared_traces) / sum(squares)), rel=1e-9)


def test_neither_a_shift_nor_a_rotation_nor_a_scale_changes_it() -> None:
    parts = list(gaussian(60, 8).split([5, 10, 15, 10, 15, 5]))
    turn = torch.linalg.qr(gaussian(8, 8, seed=2))[0]
    moved = of([1e-3 * part @ turn + 7 for part in parts])
    for name, value in vars(of(parts)).items():
        assert getattr(moved, name) == pytest.approx(value, rel=1e-6), name


def test_points_and_lines_read_one() -> None:
    assert of([torch.full((4, 3), 2.0)] * 6).value == 1.0
    line = torch.arange(24.0).double()[:, None] * torch.tensor([1.0, 2.0, 3.0])
    assert of(list(line.split(4))).value == pytest.approx(1.0)


def donors(count: int, dims: int, seed: int) -> tuple[Tensor, Tensor]:
    units = torch.arange(count).repeat_interleave(30)
    return gaussian(count, dims, seed=seed)[units] + 0.1 * gaussian(len(units), dims, seed=seed + 1), units


@pytest.mark.parametrize("count", [10, 40])
def test_few_donors_hold_the_true_rank_in_their_interval(count: int) -> None:
    """As single rows, 10 donors read 8.9 to 10.6 of 16, and no interval held the truth."""
    held = {True: 0, False: 0}
    for seed in range(20):
        z, units = donors(count, 16, 2 * seed)
        for grouped in held:
            rank = measure(sketch([z], units=units if grouped else None))["participation_ratio"]
            assert rank.low is not None
            assert rank.high is not None
            held[grouped] += rank.low <= 16 <= rank.high
    assert held[True] >= 18
    assert held[False] <= 2


def test_what_is_biased_has_no_interval_below_eight_groups_a_dimension() -> None:
    few, many = (measure(sketch([z], units=units)) for z, units in (donors(20, 4, 0), donors(40, 4, 0)))
    assert few["effective_rank"].low is None
    assert many["effective_rank"].low is not None
    for found in (few, many):
        rank, decay = found["participation_ratio"], found["decay_exponent"]
        assert None not in (rank.low, rank.high, decay.low, decay.high)
        assert decay.low <= decay.value <= decay.high  # type: ignore[operator]
    alone = measure(sketch([donors(20, 4, 0)[0]], units=torch.arange(600)))
    assert alone["effective_rank"].low is not None  # each row is a unit


@pytest.mark.parametrize("noise", [0.0, 1e-4, 0.01])
def test_donors_that_are_all_orthogonal_have_every_dimension(noise: float) -> None:
    units = torch.arange(20).repeat_interleave(30)
    z = torch.linalg.qr(gaussian(64, 64).double()).Q[units] + noise * gaussian(600, 64, seed=1)
    found = measure(sketch([z], units=units))
    rank, decay = found["participation_ratio"], found["decay_exponent"]
    assert (rank.value, rank.low, rank.high) == (64, 64, 64)
    assert decay.high == pytest.approx(0, abs=1e-6)
