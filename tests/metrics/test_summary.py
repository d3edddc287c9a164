"""One monitor row: its keys, and that it agrees with the single metrics."""

from __future__ import annotations

import json
import math

import pytest
import torch

from fullrank import metrics
from fullrank.metrics import summarize
from tests.metrics.clouds import gaussian

KEYS = {
    "relative_spread": metrics.relative_spread,
    "mean_cosine": metrics.mean_cosine,
    "std": metrics.dimension_std,
    "effective_rank": metrics.effective_rank,
    "rankme": metrics.rankme,
    "participation_ratio": metrics.participation_ratio,
    "stable_rank": metrics.stable_rank,
    "w2": metrics.w2_uniformity,
    "uniformity": metrics.uniformity,
    "dims90": metrics.dims_for_variance,
    "dead": metrics.dead_dimensions,
}


@pytest.mark.parametrize("shape", [(200, 16), (20, 64), (1, 8)])
def test_the_row_agrees_with_the_single_metrics(shape: tuple[int, int]) -> None:
    z = gaussian(*shape) * torch.linspace(0.1, 1, shape[1]) + 0.2
    row = summarize(z)
    assert list(row) == [*KEYS, "n", "dims"]
    assert (row["n"], row["dims"]) == shape
    for key, metric in KEYS.items():
        assert row[key] == pytest.approx(metric(z), rel=1e-9), key


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
