"""The nearest other row, in blocks above the diagonal: that of the whole matrix of distances."""

from __future__ import annotations

import pytest
import torch

from fullrank.stats import nearest_others
from fullrank.stats.pairs import nearest
from fullrank.testing.clouds import noise


@pytest.mark.parametrize("few", [0, 100])
@pytest.mark.parametrize("block", [1, 3, 4, 64])
def test_blocks_find_the_nearest_of_the_whole_matrix(few: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest, "_FEW", few)
    monkeypatch.setattr(nearest, "_BLOCK", block)
    z = 1e-3 * noise(2, 23, 5) + 7
    distances = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")
    distances.diagonal(0, 1, 2).fill_(torch.inf)
    assert torch.equal(nearest_others(z), distances.argmin(2))


def test_copies_are_nearest_to_each_other_and_a_row_never_to_itself() -> None:
    z = torch.cat([torch.eye(3), torch.eye(3)]).repeat(100, 1)
    found = nearest_others(z)
    assert bool((found != torch.arange(600)).all())
    assert torch.equal(z[found], z)
