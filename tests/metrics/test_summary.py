"""One monitor row: its keys, and that it agrees with the single metrics."""

from __future__ import annotations

import json
import math

import pytest
import torch

from fullrank import metrics
from fullrank.metrics import summarize
from fullrank.metrics.measure import measure, measured_row
from fullrank.stats.sketch import sketch
from tests.metrics.clouds import gaussian, power_law

KEYS = {
    "relative_spread": metrics.relative_spread,
    "mean_cosine": metrics.mean_cosine,
    "dimension_std": metrics.dimension_std,
    "zero_rows": metrics.zero_rows,
    "row_norm": metrics.row_norm,
    "norm_variation": metrics.norm_variation,
    "effective_rank": metrics.effective_rank,
    "rankme": metrics.rankme,
    "rankme_centered": lambda z: metrics.rankme(z, convention="centered"),
    "participation_ratio": metrics.participation_ratio,
    "stable_rank": metrics.stable_rank,
    "dims_for_variance": metrics.dims_for_variance,
    "w2_uniformity": metrics.w2_uniformity,
    "uniformity": metrics.uniformity,
    "dead_dimensions": metrics.dead_dimensions,
    "duplicate_dimensions": metrics.duplicate_dimensions,
    "rogue_dimension": metrics.rogue_dimension,
    "dimension_gap": metrics.dimension_gap,
    "outweighing_share": metrics.outweighing_share,
    "rank_behind": metrics.rank_behind,
    "decay_exponent": metrics.decay_exponent,
    "signal_rank": metrics.signal_rank,
    "signal_share": metrics.signal_share,
}


@pytest.mark.parametrize("shape", [(200, 16), (20, 64), (1, 8)])
def test_the_row_agrees_with_the_single_metrics(shape: tuple[int, int]) -> None:
    z = gaussian(*shape) * torch.linspace(0.1, 1, shape[1]) + 0.2
    row = summarize(z)
    assert set(row) - set(KEYS) - {"head_weight"} == {"negative_share", "head_gap", "rank_share", "n", "dims"}
    assert (row["n"], row["dims"]) == shape
    for key, metric in KEYS.items():
        assert row[key] == pytest.approx(metric(z), rel=1e-9), key
    assert ("head_weight" in row) == (shape[0] >= 2 * shape[1])


@pytest.mark.slow
def test_a_row_gives_the_measurements_of_a_diagnosis() -> None:
    z = power_law(1.0, 200, 16) + 0.1
    found, diagnosed = measured_row(summarize(z)), measure(sketch([z]))
    for name, one in found.items():
        if name in ("row_norm", "negative_share"):
            continue
        other = diagnosed[name]
        if other.low is None or other.high is None:
            assert one.value == pytest.approx(other.value, rel=1e-9), name
            assert one.null == other.null, name
        else:  # a diagnosis takes the bias off
            assert abs(one.value - other.value) < 3 * (other.high - other.low), name
        assert one.healthy == other.healthy, name
    assert {"rank_share", "decay_exponent", "head_weight", "cosine_excess"} <= set(found)


def test_a_row_of_version_0_1_0_is_measured_by_the_names_of_today() -> None:
    row = {"std": 0.5, "w2": 0.7, "dead": 0.1, "dims90": 9.0, "participation_ratio": 5.0, "n": 40.0, "dims": 16.0}
    found = measured_row(row)
    assert list(found) == [
        *("dimension_std", "participation_ratio", "decay_exponent", "dims_for_variance", "w2_uniformity"),
        "dead_dimensions",
    ]
    assert found["dead_dimensions"].value == 0.1


@pytest.mark.parametrize("scale", [1e-200, 1e-30, 1e30, 1e200])
def test_the_norm_of_the_rows_is_in_their_unit_and_nothing_else_is(scale: float) -> None:
    z = gaussian(50, 4)
    row, scaled = summarize(z), summarize(z * scale)
    assert scaled.pop("row_norm") == pytest.approx(scale * row.pop("row_norm"))
    assert scaled == pytest.approx(row, rel=1e-9)


@pytest.mark.parametrize("z", [torch.zeros(5, 3), torch.ones(1, 3), torch.ones(5, 3), torch.full((9, 4), 1e30)])
def test_a_row_of_a_collapsed_embedding_is_finite(z: torch.Tensor) -> None:
    row = summarize(z)
    assert all(math.isfinite(value) for value in row.values())
    assert json.loads(json.dumps(row)) == row
    assert (row["relative_spread"], row["effective_rank"]) == (0, 1)
    assert row["mean_cosine"] == pytest.approx(1)


def test_alignment_needs_the_pair() -> None:
    z = gaussian(10, 4)
    assert summarize(z, alignment_pair=(z, -z))["alignment"] == pytest.approx(4)
    assert "alignment" not in summarize(z)
