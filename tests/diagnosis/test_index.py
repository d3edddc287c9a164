"""A column that counts the rows is refused as an index; what only looks a little like one is a dimension."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.cli import main
from fullrank.errors import UserError

N = 200


def beside(column: Tensor, at: int = 3) -> Tensor:
    z = torch.randn(len(column), 16, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z[:, at] = column
    return z


ROWS = torch.arange(N, dtype=torch.float64)
INDICES = {
    "from 0": ROWS,
    "from 1 of a later shard": ROWS + 100_001,
    "with gaps, as of users": (7 * ROWS + (ROWS * ROWS) % 5).round(),
    "times in seconds": 1_700_000_000 + 60 * ROWS,
}
DIMENSIONS = {
    "in another order": ROWS[torch.randperm(N, generator=torch.Generator().manual_seed(1))],
    "classes": ROWS % 5,
    "sorted classes": (ROWS / 50).floor(),
    "a wave of positions": (ROWS / 400).sin(),
    "rising fractions": ROWS / N,
}


@pytest.mark.parametrize("kind", INDICES)
def test_an_index_is_not_a_dimension(kind: str) -> None:
    with pytest.raises(UserError, match=r"Dimension 3 .* it is an index .* np.delete\(z, 3, axis=1\)"):
        fullrank.diagnose(beside(INDICES[kind]))


@pytest.mark.parametrize("kind", DIMENSIONS)
def test_other_columns_are_dimensions(kind: str) -> None:
    assert fullrank.diagnose(beside(DIMENSIONS[kind])).dims == 16


def test_few_rows_may_rise_by_chance() -> None:
    assert fullrank.diagnose(beside(torch.arange(8.0))).dims == 16


@pytest.mark.slow
def test_an_index_in_a_large_file_is_seen_in_the_sample(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    z = np.random.default_rng(0).normal(size=(6000, 8))
    np.save(tmp_path / "z.npy", np.c_[np.arange(6000), z])
    assert main(["diagnose", str(tmp_path / "z.npy")]) == 2
    said = capsys.readouterr().err
    assert "Dimension 0 of" in said
    assert "from " in said
    assert math.isfinite(fullrank.diagnose(z).measurements["relative_spread"].value)
