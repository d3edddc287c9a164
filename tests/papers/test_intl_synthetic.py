"""INTL's experiments without training: the closed forms, and where the published order of products fails."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fullrank.papers import Settings
from fullrank.papers.intl.beta import beta_rule, pairs_cost
from fullrank.papers.intl.steps import (
    conditioned,
    distance_from_white,
    newton_order,
    output_variance,
    published_newton,
    steps_needed,
)
from fullrank.stats import newton
from tests.papers.labels import labels

SMALL = Settings(out=Path("unused"))


def test_four_steps_whiten_eight_dimensions_and_not_64() -> None:
    outcome = output_variance(SMALL, sizes=(8, 16, 64))
    for panel, tolerance in ((0, 1e-9), (1, 0)):
        lines = outcome.panels[panel].series
        for measured, expected in zip(lines[::2], lines[1::2], strict=False):
            assert measured.y == pytest.approx(expected.y, abs=tolerance)
    measured, floor = outcome.panels[2].series
    assert all(a > b for a, b in zip(measured.y, floor.y, strict=True))
    assert [row["T = 4"] for row in outcome.rows] == pytest.approx([0.9562, 0.7933, 0.3287], abs=1e-4)


def test_256_dimensions_take_nine_steps() -> None:
    assert [steps_needed(size) for size in (2, 8, 64, 256, 2048)] == [3, 5, 8, 9, 12]


def test_the_published_order_explodes_and_ours_does_not() -> None:
    outcome = newton_order(SMALL)
    assert labels("intl/condition", outcome) == ["failed", "held", "failed", "failed", *["held"] * 4]
    for row in outcome.rows:
        if row["order"] == "stable":
            assert float(row["T = 20"]) < 1e-3
        elif float(row["condition"]) >= 100:
            assert float(row["T = 20"]) == 1e6
    for row in outcome.rows[: len(outcome.rows) // 2]:
        (twin,) = [one for one in outcome.rows if one["order"] == "stable" and _same(one, row)]
        assert float(row["T = 4"]) == pytest.approx(float(twin["T = 4"]), abs=1e-5)


def _same(a: object, b: object) -> bool:
    assert isinstance(a, dict)
    assert isinstance(b, dict)
    return all(a[key] == b[key] for key in ("condition", "seed"))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_published_order_explodes_in_float64_too(seed: int) -> None:
    """At condition 100; at 2 it stays, for there its errors shrink."""
    for condition, explodes in ((2.0, False), (100.0, True)):
        z = conditioned(condition, seed)
        x = z - z.mean(0)
        published = distance_from_white(x @ published_newton(x.T @ x / (len(x) - 1), 24))
        assert (published > 1) == explodes
        assert distance_from_white(newton(z, 24, axis="batch")) < 1e-9


def test_the_rule_evens_out_what_a_collapse_costs() -> None:
    outcome = beta_rule(SMALL, batches=(32, 64, 128, 256))
    lines = outcome.panels[0].series
    for measured, expected in zip(lines[::2], lines[1::2], strict=True):
        assert measured.y == pytest.approx(expected.y, rel=1e-6)
    rule, constant = lines[0].y, lines[2].y
    assert max(rule) / min(rule) < 2 < max(constant) / min(constant)
    assert rule[-1] == constant[-1]  # at 256 both weights are 0.05
    measured, expected = outcome.panels[1].series[:2]
    assert measured.y == pytest.approx(expected.y, rel=1e-6)


def test_pairs_always_cost_more_than_orthogonal_samples() -> None:
    assert all(pairs_cost(2**i) > 0 for i in range(1, 14))
    assert torch.tensor([pairs_cost(n) for n in (32, 1024)]).tolist() == pytest.approx([5.1, 0.62], rel=0.05)
