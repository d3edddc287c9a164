"""What the judge says of a monitor row, without pairs of rows and intervals, on clouds of known collapse."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis import Verdict, judge
from fullrank.diagnosis.profiles import PROFILES
from fullrank.metrics import summarize
from fullrank.metrics.measure import measured_row
from fullrank.stats import decay
from tests.metrics.clouds import gaussian, low_rank, offset, power_law

SIZES = pytest.mark.parametrize(("n", "d"), [(1500, 128), (96, 512)])


def verdict(row: Mapping[str, float]) -> Verdict:
    return judge(measured_row(row), PROFILES["generic"], n=int(row["n"]), dims=int(row["dims"]))


def judged(z: Tensor) -> tuple[str, bool]:
    answer = verdict(summarize(z))
    return answer.kind or answer.state, answer.state == "collapsed"


@SIZES
@pytest.mark.parametrize("name", ["gaussian", "low rank", "point", "power law"])
@pytest.mark.slow
def test_a_row_and_a_diagnosis_say_the_same(n: int, d: int, name: str) -> None:
    clouds = {"gaussian": gaussian(n, d), "low rank": low_rank(8, n, d), "point": offset(1e-3, n, d)}
    z = clouds.get(name, power_law(2.0, n, d))
    report = fullrank.diagnose(z)
    row = verdict(summarize(z))
    assert (row.state, row.kind) == (report.verdict, report.kind)
    assert {"hubs", "clusters"} <= {rule for rule, _ in row.unasked}
    assert {rule for rule, _ in report.unasked} >= {"modality gap", "labels at chance", "unrelated views"}


def clusters(k: int, n: int, d: int) -> Tensor:
    return gaussian(k, d)[torch.arange(n) % k] + 0.05 * gaussian(n, d, seed=1)


@SIZES
def test_benign_clouds_are_healthy(n: int, d: int) -> None:
    assert judged(gaussian(n, d)) == ("healthy", False)
    assert judged(power_law(0.5, n, d)) == ("healthy", False)
    assert judged(power_law(1.0, n, d)) == ("healthy" if n > d else "undetermined", False)
    assert judged(gaussian(n, d).relu()) == ("healthy", False)
    assert judged(offset(0.5, n, d)) == ("healthy", False)  # a note: of cosine 0.75


@SIZES
def test_a_point_is_complete_collapse_whatever_its_rank(n: int, d: int) -> None:
    point = summarize(offset(1e-3, n, d))
    assert point["effective_rank"] > 50
    assert (verdict(point).state, verdict(point).kind) == ("collapsed", "complete")
    assert judged(torch.ones(n, d)) == ("complete", True)
    assert judged(torch.zeros(n, d)) == ("complete", True)
    assert judged(offset(0.2, n, d)) == ("cone", False)  # cosine 0.96: a warning


@SIZES
def test_few_directions_are_dimensional_collapse(n: int, d: int) -> None:
    assert judged(low_rank(8, n, d)) == ("dimensional", True)
    assert judged(power_law(3.0, n, d)) == ("dimensional", True)
    assert judged(power_law(2.0, n, d)) == ("undetermined", False)  # as of photographs
    assert judged(power_law(1.5, n, d)) == ("healthy" if n > d else "undetermined", False)


def test_clusters_are_at_least_a_warning() -> None:
    assert judged(clusters(10, 1500, 128))[0] == "dimensional"
    assert judged(clusters(4, 1500, 128)) == ("dimensional", True)


@SIZES
def test_one_huge_dimension_is_called_that(n: int, d: int) -> None:
    z = gaussian(n, d)
    z[:, 0] *= 30
    assert judged(z) == ("head-dominated", True)


def test_a_cone_does_not_hide_a_lost_rank() -> None:
    assert judged(low_rank(4, 1500, 128) + 5 * gaussian(1, 128, seed=7) / math.sqrt(128)) == ("dimensional", True)


def test_too_few_rows_are_undetermined_unless_they_are_a_point() -> None:
    assert judged(gaussian(3, 64)) == ("undetermined", False)
    assert judged(gaussian(31, 64)) == ("undetermined", False)
    assert judged(offset(1e-3, 31, 64)) == ("complete", True)
    assert verdict({**summarize(gaussian(64, 8)), "relative_spread": math.nan}).state == "undetermined"


def test_the_sentence_holds_the_numbers() -> None:
    row = {"relative_spread": 0.002, "mean_cosine": 1.0, "effective_rank": 31.0, "rankme": 1.2}
    row |= {"participation_ratio": 30.0, "n": 1000, "dims": 32}
    said = verdict(row).sentence
    assert said.startswith("Collapsed to a point")
    assert "0.20% of the norm" in said
    few = verdict(summarize(low_rank(8, 1500, 128))).sentence
    assert few.startswith("Collapsed to few dimensions")
    assert "8 directions, 6% of what is possible" in few


def test_what_was_not_measured_is_a_rule_that_was_not_asked() -> None:
    row = {"relative_spread": 0.9, "mean_cosine": 0.1, "n": 1000, "dims": 32}
    seen = verdict(row)
    assert (seen.state, seen.findings) == ("healthy", ())
    assert ("dimensional collapse", ("rank_share", "rankme_centered")) in seen.unasked


def test_a_row_of_a_run_may_lack_any_of_its_numbers() -> None:
    """As one does whose name was damaged on the disk; here one dimension outweighs the others."""
    z = gaussian(200, 16)
    z[:, 3] *= 30
    row = {**summarize(z), "n": 200, "dims": 16}
    for name in {*row} - {"n", "dims"}:
        assert verdict({other: value for other, value in row.items() if other != name}).state


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
    assert (found.state, found.kind) == ("collapsed", "complete")
    assert "all embeddings point in one direction: the mean cosine is 1.000" in found.sentence
