"""What a few rows decide is said of them and not of the others; what is known of them is said once."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.profiles import PROFILES
from fullrank.diagnosis.sameness import Check, say_difference
from fullrank.metrics import effective_rank
from tests.diagnosis.test_comparison import check
from tests.metrics.clouds import gaussian

MAKES = "rows that make the first direction"


def one_row(times: float, direction: Tensor, n: int = 320) -> Tensor:
    """Rows of lengths with a heavy tail, of which row 7 is so many times as long as the longest."""
    z = gaussian(n, 32) * torch.exp(0.5 * gaussian(n, 1, seed=1))
    z[7] = times * z.norm(dim=1).max() * direction / direction.norm()
    return z


AXIS, OBLIQUE = torch.eye(32).double()[5], gaussian(1, 32, seed=2)[0]


@pytest.mark.parametrize("direction", [AXIS, OBLIQUE], ids=["along an axis", "oblique"])
@pytest.mark.parametrize("times", [8.0, 20.0, 60.0])
def test_a_row_that_holds_most_of_the_variance_is_named(times: float, direction: Tensor) -> None:
    report = fullrank.diagnose(one_row(times, direction))
    assert report.verdict == "undetermined"
    named = next(one for one in report.findings if one.rule == MAKES)
    assert (named.which, named.which_are) == ((7,), "rows")
    assert named.sentence.startswith("row 7 has most of the variance along the first direction")


@pytest.mark.parametrize("profile", PROFILES)
def test_under_no_profile_is_a_set_healthy_whose_spectrum_is_that_of_one_row(profile: str) -> None:
    assert fullrank.diagnose(one_row(20.0, AXIS), profile=profile).verdict == "undetermined"


def test_two_rows_along_two_axes_are_named_too() -> None:
    z = one_row(20.0, AXIS)
    z[9] = z[7].roll(1)
    report = fullrank.diagnose(z)
    assert (report.verdict, report.findings[0].rule) == ("undetermined", MAKES)
    assert set(report.findings[0].which) <= {7, 9}


@pytest.mark.parametrize("z", [one_row(2.0, AXIS), one_row(2.0, OBLIQUE), one_row(1.0, AXIS)])
def test_a_row_that_is_only_longer_than_the_others_decides_nothing(z: Tensor) -> None:
    report = fullrank.diagnose(z)
    assert (report.verdict, [one.rule for one in report.findings]) == ("healthy", [])


def test_a_rank_that_one_row_decides_is_that_of_the_rows_and_not_the_least_there_is() -> None:
    z = one_row(6.0, AXIS)
    found = fullrank.diagnose(z).measurements["effective_rank"]
    assert found.value == pytest.approx(effective_rank(z))
    assert found.value > 3
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    healthy = gaussian(320, 32).clamp_min(0.0)  # whose corrected rank chance puts above the dimensions
    assert fullrank.diagnose(healthy).measurements["effective_rank"].value > effective_rank(healthy)


@pytest.mark.parametrize("rank", [2, 3])
def test_copies_of_dimensions_that_few_directions_make_are_excused_with_them(rank: int) -> None:
    few = gaussian(400, rank)
    after, before = (few @ gaussian(rank, dims, seed=1) + 1e-3 * gaussian(400, dims, seed=2) for dims in (64, 20))
    assert fullrank.diagnose(after).verdict == "collapsed"
    report = fullrank.diagnose(after, before=before)
    assert (report.verdict, report.findings[0].rule) == ("degraded", "dimensional collapse")
    assert "copied dimensions" not in {one.rule for one in report.findings}


def test_copies_of_dimensions_beside_many_directions_are_excused_by_nothing() -> None:
    before = gaussian(400, 32)
    report = fullrank.diagnose(before.repeat(1, 2), before=before)
    assert (report.verdict, report.findings[0].rule) == ("collapsed", "copied dimensions")


@pytest.mark.parametrize("share", [0.7, 0.8, 0.9, 0.95])
def test_one_vector_for_most_rows_is_no_codebook(share: float) -> None:
    z = gaussian(1000, 64)
    z[: int(1000 * share)] = z[0].clone()
    assert fullrank.diagnose(z).sentence == f"Collapsed to copies: {share:.1%} of the rows are one and the same vector."


@pytest.mark.parametrize(("n", "dims"), [(256, 24), (500, 64)])
@pytest.mark.parametrize("factor", [0.0, 1e4])
def test_a_row_that_broke_leaves_the_intervals_of_the_others_paired(n: int, dims: int, factor: float) -> None:
    old = gaussian(n, dims) / torch.arange(1, dims + 1) ** 0.5
    new = old.clone()
    new[7] *= factor
    found = fullrank.compare(old, new)
    assert (found.outcome, check(found, "broken_rows").which) == ("same", (7,))
    new[:, dims // 2 :] *= 0.3
    assert fullrank.compare(old, new, expect="same-rows").outcome == "regressed"


def test_a_missed_limit_is_printed_in_as_many_digits_as_show_it() -> None:
    rows = Check("correspondence", "misplaced_rows", "rows that do not correspond", "low", 0.0, limit=0.02)
    rank = Check("correspondence", "matched_rank", "rank of its own row, median", "high", 1.0)
    title = "shift of the mean in deviations"
    moved = Check("structure", "mean_shift", title, "low", 0.1004, limit=0.1, outcome="different")
    near = Check("structure", "cka", "CKA (debiased)", "high", 0.94996, limit=0.95, outcome="different")
    assert "CKA (debiased) 0.94996 (at least 0.95)" in say_difference([rows, rank, near, moved])
    assert "shift of the mean in deviations 0.1004 (at most 0.1)" in say_difference([rows, rank, near, moved])
    far = Check("structure", "cka", "CKA (debiased)", "high", 0.6, limit=0.95, outcome="different")
    assert "CKA (debiased) 0.6 (at least 0.95)" in say_difference([rows, rank, far, moved])


@pytest.mark.parametrize("share", [0.3, 0.5, 0.6, 0.7, 0.9])
def test_items_near_their_start_are_no_collapse_of_a_recommender(share: float) -> None:
    z = gaussian(320, 32)
    z[: int(320 * share)] *= 0.01
    assert fullrank.diagnose(z, profile="recsys").verdict != "collapsed"


def test_items_in_tight_clusters_of_one_length_are_one() -> None:
    z = gaussian(8, 32)[torch.arange(320) % 8] + 1e-3 * gaussian(320, 32, seed=1)
    assert fullrank.diagnose(z, profile="recsys").kind == "cluster"
    assert fullrank.diagnose(z, profile="recsys").verdict == "collapsed"
