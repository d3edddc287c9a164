"""Two samples of one distribution are called different as often as the limit says, however unlike their numbers are."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics.two_samples import mmd

_DIMS, _DRAWS = 16, 40


def donors(count: int, rows: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Rows (N, D) of donors, each of which has a mean of its own, and whose they are (N,)."""
    units = torch.arange(count).repeat_interleave(rows)
    means = torch.randn(count, _DIMS, generator=generator)
    return means[units] + torch.randn(len(units), _DIMS, generator=generator), units


@pytest.mark.parametrize(("n", "m"), [(400, 400), (400, 20), (30, 400)])
def test_unequal_numbers_of_rows_raise_no_more_alarms(n: int, m: int) -> None:
    """Of 40 draws four or more have p < 0.01 once in 1,500; blocks of 20 and 1 rows had it in every third."""
    generator = torch.Generator().manual_seed(0)
    sides = [[torch.randn(rows, _DIMS, generator=generator) for rows in (n, m)] for _ in range(_DRAWS)]
    assert sum(mmd(x, y, seed=at).p < 0.01 for at, (x, y) in enumerate(sides)) < 4
    x, y = sides[0]
    assert mmd(x, y + 1.0).p == 0.001


@pytest.mark.parametrize(("old", "new"), [((20, 30), (20, 2)), ((100, 4), (8, 4))])
def test_unequal_groups_raise_no_more_alarms(old: tuple[int, int], new: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    sides = [[donors(*side, generator) for side in (old, new)] for _ in range(_DRAWS)]
    found = [mmd(x, y, a, b, seed=at).p for at, ((x, a), (y, b)) in enumerate(sides)]
    assert sum(p < 0.01 for p in found) < 4


def test_rows_of_too_few_groups_are_refused() -> None:
    z = torch.randn(2, 30, 4)
    with pytest.raises(UserError, match=r"There are 3 and 30 groups: pass rows of 4 groups or more on each side\."):
        mmd(z[0], z[1], torch.arange(30) % 3)
