"""What INTL's experiments without images claim, at a size of seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fullrank.losses import intl
from fullrank.papers import Settings, load
from fullrank.papers.intl.collapse import newton_eigenvalue, trace_floor
from fullrank.papers.intl.sweep import power_sweep
from tests.papers.labels import labels


def both(lower: list[float], higher: list[float]) -> bool:
    """In every seed the second is above the first."""
    return len(lower) == 3 and all(a < b for a, b in zip(lower, higher, strict=True))


@pytest.mark.slow
def test_powers_of_the_spectrum(tmp_path: Path) -> None:
    outcome = power_sweep(Settings(out=tmp_path), steps=30)
    ranks: dict[Any, list[float]] = {}
    for row in outcome.rows:
        ranks.setdefault((row["loss"], row["setting"]), []).append(float(row["rank of z"]))
    for p in (0.0, 0.25):
        assert both(ranks["power", p], ranks["power", 0.5])
    assert both(ranks["INTL", 0.0], ranks["INTL", 0.1])


def test_newton_follows_its_closed_form(tmp_path: Path) -> None:
    outcome = load("intl/newton-curves").run(Settings(out=tmp_path))
    assert labels("intl/newton-curves", outcome) == ["held", "held"]
    lines = outcome.panels[0].series
    for measured, expected in zip(lines[::2], lines[1::2], strict=True):
        assert measured.y == pytest.approx(expected.y, abs=1e-9)


@pytest.mark.parametrize("features", [8, 32])
def test_the_floor_of_the_trace_loss_is_reached_where_all_eigenvalues_are_equal(features: int) -> None:
    z = torch.randn(64, features, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    isotropic = torch.linalg.qr(z - z.mean(0)).Q
    reached, above = (float(intl(torch.stack([x, x]), axis="batch")["trace"]) / 2 for x in (isotropic, z))
    assert reached == pytest.approx(trace_floor(features, 4), rel=1e-9)
    assert above > reached
    assert newton_eigenvalue(1 / features, 30) == pytest.approx(1)
