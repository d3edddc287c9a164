"""Comparing two models: what has become worse, how surely, and when nobody can tell."""

from __future__ import annotations

import json

import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.comparison import Comparison
from fullrank.errors import UserError
from fullrank.metrics import effective_rank, jackknife_difference, moment_groups, plugin_participation_ratio
from tests.metrics.clouds import gaussian


def cloud(rows: int = 600, decay: float = 0.0, seed: int = 0) -> Tensor:
    """Gaussian rows (rows, 16) whose standard deviations fall as j^-decay."""
    z = torch.randn(rows, 16, generator=torch.Generator().manual_seed(seed))
    return z / torch.arange(1, 17) ** decay


def change(found: Comparison, name: str) -> tuple[float, float, float]:
    one = next(change for change in found.changes if change.name == name)
    assert one.low is not None
    assert one.high is not None
    return one.difference, one.low, one.high


def test_a_rotation_and_a_scale_change_nothing() -> None:
    turn = torch.linalg.qr(torch.randn(16, 16, generator=torch.Generator().manual_seed(1))).Q
    found = fullrank.compare(cloud(), 3 * cloud() @ turn)
    assert found.verdict == "same"
    assert found.paired
    assert found.cka == pytest.approx(1, abs=1e-4)
    assert found.knn_overlap == pytest.approx(1, abs=1e-3)
    assert change(found, "effective_rank") == pytest.approx((0, 0, 0), abs=1e-4)


def test_a_lower_rank_is_a_regression_and_the_other_way_better() -> None:
    worse = fullrank.compare(cloud(), cloud(decay=0.4))
    assert worse.verdict == "regressed"
    assert "effective rank D1 went from" in worse.sentence
    difference, low, high = change(worse, "effective_rank")
    assert low < difference < high < -1.6
    assert fullrank.compare(cloud(decay=0.4), cloud()).verdict == "better"


def test_the_interval_of_the_same_rows_is_narrower_than_that_of_others() -> None:
    noise = 0.05 * cloud(seed=2)
    _, low, high = change(fullrank.compare(cloud(decay=0.4), cloud(decay=0.4) + noise), "participation_ratio")
    _, wide_low, wide_high = change(
        fullrank.compare(cloud(decay=0.4), cloud(599, decay=0.4, seed=3)), "participation_ratio"
    )
    assert high - low < 0.3 * (wide_high - wide_low)
    assert wide_low < 0 < wide_high


def test_the_paired_interval_holds_the_true_difference() -> None:
    """Of 60 pairs of draws whose true difference in effective rank is known from many rows."""
    many = 40_000
    true = effective_rank(cloud(many, 0.3) + 0.5 * cloud(many, seed=9)) - effective_rank(cloud(many, 0.3))
    inside = 0
    for seed in range(60):
        old = cloud(500, 0.3, seed)
        new = old + 0.5 * cloud(500, seed=seed + 1000)
        groups = [moment_groups(z, groups=10) for z in (old, new)]
        found = jackknife_difference(lambda part: {"": effective_rank(part)}, *groups)[""]
        inside += found.low < true < found.high
    assert inside >= 53  # nominal 57; at least 88 %


def test_a_limit_within_the_interval_is_undetermined() -> None:
    old, new = cloud(60, 0.5), cloud(60, 0.5, seed=5)
    difference, low, high = change(fullrank.compare(old, new), "participation_ratio")
    between = -(difference + low) / 2
    found = fullrank.compare(old, new, max_drop={"participation_ratio": max(between, 0.0)})
    assert low < -max(between, 0.0) < high
    assert found.verdict == "undetermined"
    assert "95 % interval of the change" in found.sentence


def test_another_number_of_rows_is_compared_as_independent() -> None:
    found = fullrank.compare(cloud(), cloud(500, decay=0.5, seed=4))
    assert (found.verdict, found.paired, found.cka) == ("regressed", False, None)


def test_biased_numbers_of_another_number_of_rows_are_undetermined() -> None:
    found = fullrank.compare(cloud(100), cloud(40, seed=4), max_drop={"effective_rank": "10%"})
    assert found.verdict == "undetermined"
    assert "the numbers of samples differ" in found.sentence


def test_rows_in_another_order_are_noticed() -> None:
    order = torch.randperm(600, generator=torch.Generator().manual_seed(0))
    found = fullrank.compare(cloud(), cloud()[order])
    assert "seem not to be the same samples" in found.sentence
    assert found.verdict == "same"


def test_a_new_collapse_is_a_regression_whatever_the_limits() -> None:
    found = fullrank.compare(cloud(), 9 + 1e-4 * cloud(), max_drop={"two_nn": "99%"})
    assert found.verdict == "regressed"
    assert "have collapsed" in found.sentence
    with pytest.raises(AssertionError, match="have collapsed"):
        found.raise_for_status()


def test_other_widths_are_compared() -> None:
    wide = torch.cat([cloud(), cloud(seed=6)], 1)
    found = fullrank.compare(cloud(), wide)
    assert found.verdict == "better"
    assert change(found, "participation_ratio")[0] == pytest.approx(
        plugin_participation_ratio(wide) - plugin_participation_ratio(cloud()), abs=2
    )


def test_reports_and_their_json_are_sides_too() -> None:
    saved = json.loads(json.dumps(fullrank.diagnose(cloud()).to_json()))
    found = fullrank.compare(saved, fullrank.diagnose(cloud(decay=0.5)))
    assert (found.verdict, found.paired) == ("regressed", False)
    again = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert again["old"]["verdict"] == "healthy"


@pytest.mark.parametrize("new", [torch.zeros(600, 16), gaussian(3, 16), torch.ones(1, 16)], ids=["zeros", "3", "1"])
def test_edges_have_an_answer(new: Tensor) -> None:
    json.dumps(fullrank.compare(cloud(), new).to_json(), allow_nan=False)


@pytest.mark.parametrize(
    ("drops", "rises", "expected"),
    [
        ({"efective_rank": 1}, {}, "did you mean effective_rank"),
        ({"effective_rank": "ten"}, {}, "pass a number such as 0.05"),
        ({"effective_rank": -1}, {}, "pass a number such as 0.05"),
        ({"effective_rank": 1}, {"effective_rank": 1}, "a limit to its drop and to its rise"),
        ({"nc1": 1}, {}, "was not measured on both sides"),
    ],
)
def test_limits_that_are_none(drops: dict[str, float | str], rises: dict[str, float | str], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        fullrank.compare(cloud(), cloud(), max_drop=drops, max_rise=rises)
