"""CorInfoMax's state and bound, and DirectCLR's gradient, each without an encoder, at reduced size."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from fullrank.papers import Settings
from fullrank.papers.corinfomax.state import MEMORIES, forgetting, mutual_information, noise
from fullrank.papers.directclr.gradient import gradient_rank
from tests.papers.labels import labels

SMALL = Settings(out=Path("unused"))


@pytest.mark.slow
def test_memory_takes_noise_and_gradient_and_at_a_hundredth_next_to_nothing() -> None:
    outcome = forgetting(SMALL, steps=40)
    # In 40 steps the factor 0.9, the last one, still remembers the start.
    assert labels("corinfomax/forgetting", outcome)[:3] == ["undecided", "undecided", "held"]
    found = {memory: [row for row in outcome.rows if row["factor"] == memory] for memory in MEMORIES}
    for memory in (0.01, 0.1, 0.5):
        for row, alone in zip(found[memory], found[0.0], strict=True):
            assert float(row["error"]) / float(alone["error"]) == pytest.approx(noise(memory), rel=0.15)
            assert float(row["gradient"]) / float(alone["gradient"]) == pytest.approx(1 - memory, rel=0.15)
    for before, after in pairwise(found.values()):
        assert all(float(b["gradient"]) < float(a["gradient"]) for a, b in zip(before, after, strict=True))


def test_the_start_is_forgotten_by_the_power_of_the_factor() -> None:
    lines = forgetting(Settings(out=Path("unused"), seeds=1), steps=4).panels[2].series
    assert len(lines) == 2 * (len(MEMORIES) - 1)
    for measured, expected in zip(lines[::2], lines[1::2], strict=True):
        assert measured.y == pytest.approx(expected.y, abs=1e-12, nan_ok=True)


@pytest.mark.slow
def test_mutual_information_rises_and_never_falls_below_the_bound() -> None:
    outcome = mutual_information(SMALL, steps=60)
    assert labels("corinfomax/mutual-information", outcome) == ["held", "held"]
    for seed in range(3):
        records = [row for row in outcome.rows if row["seed"] == seed]
        assert all(float(row["information"]) > float(row["bound"]) for row in records)
        assert float(records[-1]["information"]) > 2 * float(records[0]["information"])
        assert float(records[-1]["loss"]) < float(records[0]["loss"])


def test_the_gradient_gets_full_through_a_block_with_relu_alone() -> None:
    outcome = gradient_rank(SMALL, samples=256)
    assert set(labels("directclr/gradient-rank", outcome)) == {"held"}
    parts = [row for row in outcome.rows if float(row["d0"]) < 64]
    assert len(parts) == 4 * 3 * 3
    for row in parts:
        assert row["directions"] == (64 if "ReLU" in str(row["layer"]) else row["d0"])
