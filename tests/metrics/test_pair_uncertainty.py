"""Error bars of pairs and neighbors: those of recomputing without each group, and coverage of what draws give."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics import (
    alignment,
    alignment_estimate,
    hub_skewness,
    hyperspherical_energy,
    jackknife_pairs,
    jackknife_rows,
    pair_estimates,
    two_nn,
    uniformity,
)
from fullrank.metrics.cloud import Cloud
from fullrank.metrics.hubs import gaussian_neighbors
from tests.metrics.clouds import gaussian, power_law

VALUES: dict[str, Callable[[Tensor], float]] = {
    "uniformity": uniformity,
    "hyperspherical_energy": hyperspherical_energy,
    "two_nn": two_nn,
    "hub_excess": lambda z: hub_skewness(z) - gaussian_neighbors(Cloud(z)).skewness,
}


def test_of_a_mean_of_rows_it_is_the_textbook_error() -> None:
    x = gaussian(60, 1)[:, 0]
    found = jackknife_rows(lambda rows: float(rows.mean()), x, torch.arange(60))
    assert found.value == pytest.approx(float(x.mean()))
    assert found.standard_error == pytest.approx(float(x.std()) / math.sqrt(60))


@pytest.mark.parametrize("name", ["uniformity", "hyperspherical_energy"])
def test_leaving_out_pairs_is_computing_anew_without_the_rows(name: str) -> None:
    z, groups = power_law(1.0, 90, 6), torch.randint(0, 7, (90,), generator=torch.Generator().manual_seed(0))
    anew = jackknife_rows(lambda rows: VALUES[name](z[rows]), torch.arange(90), groups)
    found = pair_estimates(z, groups)[name]
    for ours, theirs in zip(vars(found).values(), vars(anew).values(), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("rows", [power_law(1.0, 200, 8), gaussian(100, 8).repeat(2, 1), 1e30 * gaussian(100, 3)])
def test_the_values_are_those_of_the_metrics(rows: Tensor) -> None:
    for name, found in pair_estimates(rows, torch.arange(len(rows)) % 20).items():
        assert found.value == pytest.approx(VALUES[name](rows), rel=1e-9), name
    assert alignment_estimate(rows, rows.roll(1), torch.arange(len(rows)) % 9).value == pytest.approx(
        alignment(rows, rows.roll(1))
    )


@pytest.mark.slow
def test_intervals_hold_what_such_samples_give() -> None:
    """benchmarks/jackknife_pairs.py with fewer draws: 60, nominal 95 %; fewer than 50 has a chance of 0.1 %."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in VALUES}
    for seed in range(60):
        for name, one in pair_estimates(power_law(1.0, 200, 16, seed), torch.arange(200) % 20).items():
            found[name].append((one.value, (one.high - one.low) / 2))
    for name, pairs in found.items():
        value, reach = torch.tensor(pairs).T
        assert int(((value - value.mean()).abs() <= reach).sum()) >= 50, name
        assert float(reach.mean() / value.std()) < 2 * 2.1, name  # nor are they wide: t of 19 is 2.1


def test_rows_that_belong_together_widen_the_interval() -> None:
    unit = torch.arange(400) % 40
    z = gaussian(40, 8)[unit] + 0.5 * gaussian(400, 8, seed=1)
    apart, together = (pair_estimates(z, groups)["uniformity"] for groups in (torch.arange(400) // 20, unit % 20))
    assert together.standard_error > 2 * apart.standard_error


@pytest.mark.parametrize("rows", [torch.ones(40, 3), torch.zeros(40, 3), gaussian(6, 3), gaussian(12, 1)])
def test_edges_are_no_error(rows: Tensor) -> None:
    found = pair_estimates(rows, torch.arange(len(rows)) % 6)
    assert "two_nn" not in found
    assert all(math.isfinite(one.value) for one in found.values())


def test_few_groups_are_an_error() -> None:
    for call in (pair_estimates, lambda z, groups: jackknife_rows(len, z, groups)):
        with pytest.raises(UserError, match="4 groups"):
            call(gaussian(40, 3), torch.arange(40) % 4)
    with pytest.raises(UserError, match="2 groups"):
        jackknife_pairs(float, [(0, torch.ones(4, 4))], torch.arange(4) % 2)
