"""Error bars: identities of the jackknife, coverage of known truths, groups that stay together, honest N."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics import (
    condition_number,
    effective_rank,
    isotropic_spectrum,
    jackknife,
    jackknife_all,
    moment_groups,
    participation_ratio,
    plugin_participation_ratio,
    rows_needed,
    summarize_moments,
)
from fullrank.stats import Moments, hill, merge, moments, spectrum
from tests.metrics.clouds import gaussian


def trace(z: Moments) -> float:
    """A biased estimate whose expectation is (1 - 1/N) times the truth."""
    return float(z.covariance.trace())


def first_mean(z: Moments) -> float:
    return float(z.mean[0])


def test_of_a_mean_it_is_the_textbook_error() -> None:
    z = gaussian(60, 2)
    found = jackknife(first_mean, [moments(row) for row in z.split(1)])
    assert found.value == pytest.approx(float(z[:, 0].mean()))
    assert found.corrected == pytest.approx(found.value)  # without bias
    assert found.standard_error == pytest.approx(float(z[:, 0].std()) / math.sqrt(60))
    assert found.high - found.corrected == pytest.approx(2.00100 * found.standard_error, rel=1e-5)  # t of 59


def test_a_bias_of_order_one_over_n_goes_away_whole() -> None:
    z = gaussian(40, 3)
    assert jackknife(trace, [moments(row) for row in z.split(1)]).corrected == pytest.approx(float(z.T.cov().trace()))


def test_unequal_groups_are_those_of_busing() -> None:
    """A mean of groups of 1 to 9 rows: pseudo-values are the group means, so the error is that of weighted ones."""
    parts = gaussian(45, 2).split(list(range(1, 10)))
    found = jackknife(first_mean, [moments(part) for part in parts])
    sizes = torch.arange(1.0, 10.0).double()
    means = torch.stack([part[:, 0].mean() for part in parts])
    mean = float(sizes @ means) / 45
    error = ((means - mean).square() / (45 / sizes - 1)).mean().sqrt()
    assert [found.value, found.corrected] == pytest.approx([mean, mean])
    assert found.standard_error == pytest.approx(float(error))


def test_each_group_is_left_out_once() -> None:
    groups = [moments(part) for part in gaussian(30, 2).split(5)]
    seen: list[Moments] = []

    def remember(z: Moments) -> float:
        seen.append(z)
        return 0.0

    jackknife(remember, groups)
    assert [z.n for z in seen] == [30] + 6 * [25]
    for left_out, rest in zip(groups, seen[1:], strict=True):
        torch.testing.assert_close(merge(rest, left_out).scatter, seen[0].scatter)


@pytest.mark.parametrize("n", [500, 100])
@pytest.mark.slow
def test_the_interval_holds_the_true_participation_ratio(n: int) -> None:
    weights = torch.arange(1, 17, dtype=torch.float64) ** -1
    true = float(hill(weights, 2))
    held = 0
    for seed in range(50):
        found = jackknife(participation_ratio, moment_groups(gaussian(n, 16, seed) * weights.sqrt()))
        held += found.low < true < found.high
    assert held >= 0.88 * 50  # nominal 95 %, of the population value


def shared(seed: int) -> tuple[Tensor, Tensor]:
    """40 rows of each of 40 donors, nearly copies of each other."""
    donor = torch.arange(1600) % 40
    return gaussian(40, 6, seed)[donor] + 0.3 * gaussian(1600, 6, seed + 1000), donor


@pytest.mark.slow
def test_groups_that_ignore_donors_claim_too_much() -> None:
    by_row = by_donor = 0
    for seed in range(15):
        z, donor = shared(seed)
        for labels in (None, donor):
            found = jackknife(participation_ratio, moment_groups(z, labels=labels))
            holds = found.low < 6 < found.high
            by_row, by_donor = by_row + (holds and labels is None), by_donor + (holds and labels is not None)
    assert by_row <= 5
    assert by_donor >= 12


def test_labels_stay_together_in_balanced_groups() -> None:
    labels = torch.repeat_interleave(torch.arange(9), torch.tensor([40, 1, 1, 20, 5, 15, 20, 8, 10])) * 7 - 3
    z = labels[:, None].double()
    groups = moment_groups(z, groups=5, labels=labels)
    assert sorted(part.n for part in groups) == [20, 20, 20, 20, 40]
    assert sum(part.n for part in groups) == len(z)
    whole = groups[0]
    for part in groups[1:]:
        whole = merge(whole, part)
    assert float(whole.mean) == pytest.approx(float(z.mean()))
    again = moment_groups(z, groups=5, labels=labels)
    assert [float(part.mean) for part in again] == [float(part.mean) for part in groups]


def test_rows_are_dealt_at_random_but_by_seed() -> None:
    z = torch.arange(100.0)[:, None]
    groups = moment_groups(z)
    assert [part.n for part in groups] == 20 * [5]
    assert [float(part.mean) for part in groups] != [float(part.mean()) for part in z.double().split(5)]
    assert [float(p.mean) for p in moment_groups(z)] == [float(p.mean) for p in groups]
    assert [float(p.mean) for p in moment_groups(z, seed=1)] != [float(p.mean) for p in groups]


def test_too_few_groups_or_wrong_labels_are_refused() -> None:
    with pytest.raises(UserError, match="4 rows in 20 groups"):
        moment_groups(torch.ones(4, 2))
    with pytest.raises(UserError, match="3 different labels"):
        moment_groups(torch.ones(30, 2), labels=torch.arange(30) % 3)
    with pytest.raises(UserError, match="9 labels for 10 embeddings"):
        moment_groups(torch.ones(10, 2), labels=torch.arange(9))
    with pytest.raises(UserError, match="4 groups give no error bar"):
        jackknife(trace, [moments(torch.ones(2, 2))] * 4 + [moments(torch.ones(0, 2))])


def test_an_infinite_value_has_infinite_error() -> None:
    found = jackknife(condition_number, moment_groups(torch.ones(20, 3)))
    assert (found.value, found.standard_error, found.low) == (math.inf, math.inf, -math.inf)


def test_a_point_has_rank_one_without_error() -> None:
    found = jackknife_all(summarize_moments, moment_groups(torch.full((40, 3), 0.1)))
    assert (found["participation_ratio"].value, found["participation_ratio"].standard_error) == (1, 0)
    assert found["relative_spread"].high == 0
    assert all(math.isfinite(one.high) for one in found.values())


def test_the_summary_agrees_with_the_single_metrics() -> None:
    z = moments(gaussian(50, 8) + 0.5)
    assert summarize_moments(z)["effective_rank"] == pytest.approx(effective_rank(z))
    assert summarize_moments(z)["participation_ratio"] == pytest.approx(participation_ratio(z))


@pytest.mark.parametrize(("n", "d"), [(1024, 64), (64, 1024), (65, 64), (64, 64)])
def test_isotropic_spectrum_is_that_of_draws(n: int, d: int) -> None:
    drawn = torch.stack([spectrum(gaussian(n, d, seed)) for seed in range(10)]).mean(0)
    expected = isotropic_spectrum(n, d)
    assert len(expected) == len(drawn)
    assert float(expected.sum()) == pytest.approx(d * (n - 1) / n, rel=1e-3)
    for order in (0.5, 1.0, 2.0, math.inf):
        assert float(hill(expected, order)) == pytest.approx(float(hill(drawn, order)), rel=0.025)
    assert float(hill(expected, 2)) == pytest.approx(d * (n - 1) / (n - 1 + d), rel=0.03)


def test_isotropic_spectrum_of_one_row_is_a_point() -> None:
    assert isotropic_spectrum(1, 5).tolist() == [0.0]


@pytest.mark.parametrize("order", [1, 2])
def test_rows_needed_are_just_enough(order: float) -> None:
    n = rows_needed(50, order=order, bias=0.1)
    function = {1: effective_rank, 2: plugin_participation_ratio}[int(order)]
    assert sum(function(gaussian(n, 50, seed)) for seed in range(5)) / 5 == pytest.approx(45, rel=0.02)


@pytest.mark.parametrize(("dims", "bias"), [(0, 0.1), (5, 0.0), (5, 1.0)])
def test_rows_needed_checks_its_arguments(dims: float, bias: float) -> None:
    with pytest.raises(UserError, match="bias"):
        rows_needed(dims, bias=bias)
