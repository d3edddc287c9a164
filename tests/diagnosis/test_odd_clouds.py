"""Clouds on which rules said what is not so: ties, zeros, values of one sign, heavy tails, several groups."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fullrank
from tests.metrics.clouds import gaussian

TIED = {
    "one-hot rows": torch.eye(384),
    "one dimension": gaussian(500, 1),
    "one-hot rows, each twice": torch.eye(250).repeat(2, 1),
    "signs of one dimension": gaussian(500, 1).sign(),
    "two ones of 30": torch.eye(30)[torch.combinations(torch.arange(30))].sum(1),
}


@pytest.mark.parametrize("z", TIED.values(), ids=TIED.keys())
def test_ties_among_neighbors_make_no_hubs(z: Tensor) -> None:
    assert "hubs" not in {one.rule for one in fullrank.diagnose(z).findings}
