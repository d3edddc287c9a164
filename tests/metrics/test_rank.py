"""Ranks: closed forms, the five RankMe numbers, the participation ratio at 32 rows."""

from __future__ import annotations

import math
from functools import cache
from itertools import permutations
from typing import cast

import pytest
import torch

from fullrank.errors import UserError
from fullrank.metrics import (
    condition_number,
    dims_for_variance,
    effective_rank,
    nesum,
    participation_ratio,
    plugin_participation_ratio,
    rankme,
    stable_rank,
)
from fullrank.metrics.rank import Convention, uncentered_rankme
from fullrank.stats import Moments, moments, normalize
from tests.metrics.clouds import gaussian, low_rank, offset, power_law


def test_ranks_of_a_known_spectrum() -> None:
    variances = torch.tensor([8.0, 4.0, 2.0, 2.0], dtype=torch.float64)
    z = torch.cat([torch.diag(variances.sqrt()), -torch.diag(variances.sqrt())])  # mean 0, eigenvalues / 4
    p = variances / 16
    assert effective_rank(z) == pytest.approx(float(torch.exp(-(p * p.log()).sum())))
    assert plugin_participation_ratio(z) == pytest.approx(1 / float(p.square().sum()))
    assert stable_rank(z) == pytest.approx(2.0)
    assert condition_number(z) == pytest.approx(4.0)
    assert [dims_for_variance(z, share) for share in (0.5, 0.51, 0.75, 0.9, 1.0)] == [1, 2, 2, 4, 4]


@cache
def wide(name: str) -> Moments:
    """Moments of 4,096 x 512: a 1/j spectrum, the same with rows of length 1, a point with 1e-3 of noise."""
    if name == "point":
        return moments(offset(1e-3, d=512))
    return moments(power_law(1.0, d=512) if name == "healthy" else normalize(power_law(1.0, d=512)))


@pytest.mark.parametrize(
    ("convention", "healthy", "point"),
    [("paper", 402, 1.27), ("stable-pretraining", 413, 1.33), ("eigenvalues", 112, 481), ("centered", 402, 504)],
)
def test_five_numbers_are_called_rankme(convention: Convention, healthy: float, point: float) -> None:
    assert rankme(wide("healthy"), convention=convention) == pytest.approx(healthy, rel=0.03)
    assert rankme(wide("point"), convention=convention) == pytest.approx(point, rel=0.03)


def test_the_fifth_is_the_participation_ratio_of_unit_rows() -> None:
    assert plugin_participation_ratio(wide("healthy, unit rows")) == pytest.approx(34.5, rel=0.03)
    assert plugin_participation_ratio(wide("point")) == pytest.approx(454, rel=0.01)


def test_the_constant_in_rankme_lifts_its_floor() -> None:
    for dims, eps, floor in [(2048, 1e-7, 1.0033), (2048, 1e-5, 1.27), (8192, 1e-5, 2.57)]:
        point = torch.zeros(dims).index_fill(0, torch.tensor(0), 1.0).double()
        assert uncentered_rankme(point, eps) == pytest.approx(floor, abs=5e-3)
    assert rankme(torch.zeros(3, 4)) == 1.0


def test_an_unknown_convention_is_refused() -> None:
    with pytest.raises(UserError, match="no RankMe convention 'mine'"):
        rankme(torch.eye(3), convention=cast(Convention, "mine"))


def test_rank_survives_a_large_offset_and_exact_deficiency() -> None:
    z = low_rank(8, n=300, d=64)
    assert rankme(z) == pytest.approx(8, abs=0.2)
    assert effective_rank(z + 1e6) == pytest.approx(effective_rank(z), rel=1e-6)
    assert condition_number(z) == math.inf


def test_stable_rank_has_a_raw_and_a_centered_form() -> None:
    point = offset(1e-3, n=500, d=32)
    assert stable_rank(point) == pytest.approx(1, abs=1e-5)
    assert nesum(point) == pytest.approx(32 / (1 + math.sqrt(32 / 500)) ** 2, rel=0.05)


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, math.nan])
def test_the_share_is_checked(share: float) -> None:
    with pytest.raises(UserError, match="share of variance"):
        dims_for_variance(torch.eye(3), share)


def test_participation_ratio_is_the_u_statistic() -> None:
    """Over all ordered quadruples of different rows: |a-b|^2 |c-d|^2 / 4 and ((a-b).(c-d))^2 / 4 have no bias."""
    z = gaussian(6, 5) * torch.tensor([3.0, 2.0, 1.0, 1.0, 0.5]) + 2.0
    rows = torch.tensor(list(permutations(range(6), 4)))
    a, b, c, d = (z[rows[:, i]] for i in range(4))
    squared_trace = ((a - b).square().sum(1) * (c - d).square().sum(1)).mean()
    trace_of_square = ((a - b) * (c - d)).sum(1).square().mean()
    assert participation_ratio(z) == pytest.approx(float(squared_trace / trace_of_square), rel=1e-10)


@pytest.mark.parametrize(("alpha", "d", "plug_in"), [(1.0, 768, 15.3), (0.5, 768, 28.7), (0.5, 256, 26.5)])
def test_participation_ratio_is_right_at_32_rows(alpha: float, d: int, plug_in: float) -> None:
    weights = torch.arange(1, d + 1, dtype=torch.float64) ** -alpha
    true = float(weights.sum() ** 2 / weights.square().sum())
    batches = [gaussian(32, d, seed) * weights.sqrt() for seed in range(40)]
    mean = sum(map(participation_ratio, batches)) / 40
    assert mean == pytest.approx(true, rel=0.12)  # the ratio keeps a bias of 7 % at alpha 1; sd of the mean 3.5 %
    assert sum(map(plugin_participation_ratio, batches)) / 40 == pytest.approx(plug_in, rel=0.05)


def test_participation_ratio_falls_back_and_stays_in_range() -> None:
    three = gaussian(3, 10)
    assert participation_ratio(three) == pytest.approx(plugin_participation_ratio(three), rel=1e-12)
    alone = torch.eye(1, 5).repeat(40, 1) * (torch.arange(40) == 7)[:, None] + 100  # both estimates are 0
    assert participation_ratio(alone.double()) == pytest.approx(1.0)
    wide = [participation_ratio(gaussian(5, 400, seed)) for seed in range(30)]
    assert all(1 <= ratio <= 400 for ratio in wide)
    assert max(wide) == 400


@pytest.mark.parametrize("n", [4, 40, 100, 128, 256])
def test_rows_that_are_all_orthogonal_have_every_dimension(n: int) -> None:
    """The estimate of tr C^2 is 0, and rounding puts it above or below."""
    rows = torch.linalg.qr(gaussian(256, n).double()).Q.T
    for z in (torch.eye(n, 256), rows, rows - rows.mean(0), 16 * rows.float(), rows * torch.arange(1, n + 1)[:, None]):
        assert participation_ratio(z) == 256
