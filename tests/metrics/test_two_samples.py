"""Two samples of one distribution are called different as often as the limit says, however unlike their numbers are."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank import compare, diagnose
from fullrank.errors import UserError
from fullrank.metrics import Permuted, frechet_distance, mean_shift, mmd, turned
from fullrank.metrics.two_samples import can_differ
from tests.metrics.clouds import gaussian

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


@pytest.mark.parametrize(("n", "m"), [(4, 4), (1, 300), (2, 5)])
def test_groups_whose_permutations_give_no_small_p_are_refused(n: int, m: int) -> None:
    z = torch.randn(2, 300, 4)
    codes = [torch.arange(300) % count for count in (n, m)]
    assert not can_differ(n, m)
    with pytest.raises(
        UserError, match=rf"There are {n} and {m} groups, .*: pass rows of 5 groups or more on each side"
    ):
        mmd(z[0], z[1], *codes)


@pytest.mark.parametrize(("n", "m", "least"), [(5, 5, 1 / 126), (4, 5, 1 / 126), (6, 6, 1 / 462)])
def test_few_groups_get_the_p_of_all_their_permutations_whatever_the_seed(n: int, m: int, least: float) -> None:
    generator = torch.Generator().manual_seed(0)
    (x, a), (y, b) = (donors(count, 5, generator) for count in (n, m))
    for seed in range(3):
        assert mmd(x, y + 10.0, a, b, seed=seed).p == pytest.approx(least)
    drawn = [[donors(count, 5, generator)[0] for count in (n, m)] for _ in range(40)]
    assert sum(mmd(one, other, a, b).p < 0.02 for one, other in drawn) < 5


def test_three_groups_can_be_told_from_many() -> None:
    generator = torch.Generator().manual_seed(0)
    (x, a), (y, b) = (donors(count, 5, generator) for count in (3, 30))
    assert can_differ(3, 30)
    assert mmd(x, y + 10.0, a, b).p < 0.01
    assert mmd(x, y, a, b).p > 0.01


def test_equal_blocks_are_not_told_apart_by_rounding() -> None:
    point, groups = torch.full((50, 3), 0.1), torch.arange(50) % 5
    assert mmd(point, point, groups, groups).p == 1.0


@pytest.mark.parametrize("count", [4, 5])
def test_a_comparison_asks_about_distributions_where_a_permutation_can_tell(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    groups = torch.arange(200) % count
    old, new = (diagnose(torch.randn(200, 8, generator=generator) + shift, groups=groups) for shift in (0.0, 2.0))
    found = compare(old, new, expect="same-distribution")
    assert [check.name for check in found.checks] == ["mmd", "frechet_distance"] * (count == 5)
    assert [question for question, _ in found.unasked if question == "distribution"] == ["distribution"] * (count == 4)


TWO = (frechet_distance, mean_shift, mmd)


@pytest.mark.parametrize("function", TWO)
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(("bad", "sentence"), [(math.nan, "contain NaN"), (math.inf, "contain infinity")])
def test_what_is_no_number_is_refused(function: Callable[..., object], side: int, bad: float, sentence: str) -> None:
    sides = [gaussian(30, 4), gaussian(40, 4, seed=1)]
    sides[side][3, 2] = bad
    with pytest.raises(UserError, match=sentence):
        function(*sides)
    sides[side] = sides[side][:0]
    with pytest.raises(UserError, match=r"shape \(0, 4\)"):
        function(*sides)


@pytest.mark.parametrize("function", TWO)
@pytest.mark.parametrize("unit", [1e200, 1e-200, -1.0])
def test_a_common_unit_changes_nothing(function: Callable[..., object], unit: float) -> None:
    x, y = gaussian(60, 4), gaussian(60, 4, seed=1) + 0.5
    one, other = (
        torch.tensor([*vars(found).values()] if isinstance(found := function(*s), Permuted) else [found])
        for s in ((x, y), (unit * x, unit * y))
    )
    torch.testing.assert_close(one, other)


def test_the_shift_of_turned_rows_has_no_unit() -> None:
    z = gaussian(50, 3)
    for unit in (1e200, 1e-200):
        assert mean_shift(*turned(z, unit * (z.flip(1) + 1))) == pytest.approx(mean_shift(*turned(z, z.flip(1) + 1)))


def test_one_point_has_not_moved_from_itself() -> None:
    few, many = torch.full((5, 3), 0.1), torch.full((7, 3), 0.1)
    few[:, 1], many[:, 1] = 0.7, 0.7
    assert (mean_shift(few, many), frechet_distance(few, many)) == (0.0, 0.0)
    assert (mean_shift(few, many + 0.1), frechet_distance(few, many + 0.1)) == (math.inf, math.inf)


def test_groups_are_arrays_too_and_one_for_each_row() -> None:
    x, y, groups = gaussian(60, 4), gaussian(60, 4, seed=1), torch.arange(60) % 6
    found = mmd(x, y, groups.numpy(), groups.tolist())  # type: ignore[arg-type]
    assert found == mmd(x, y, groups, groups)
    with pytest.raises(UserError, match=r"shape \(59,\): pass one number for each of the 60 rows"):
        mmd(x, y, groups, groups[1:])
