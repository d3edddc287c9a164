"""Rows that broke in one of two sets alone are named, and are a difference where they are many."""

from __future__ import annotations

import pytest

import fullrank
from fullrank.diagnosis.sameness import Expectation
from tests.diagnosis.test_comparison import check, cloud
from tests.metrics.clouds import gaussian


def test_rows_that_became_zero_or_exploded_leave_the_others_paired_and_are_named() -> None:
    new = cloud().clone()
    new[5] = 0
    new[17] *= 1e6
    found = fullrank.compare(cloud(), new)
    assert (found.paired, check(found, "misplaced_rows").value) == (True, 0)
    assert check(found, "shared_neighbors").value > 0.9
    assert (found.outcome, check(found, "broken_rows").which) == ("same", (5, 17))
    assert found.sentence.endswith(
        "Rows 5, 17 are zero, exploded or near-empty in the new embeddings only, and left out."
    )
    assert fullrank.compare(new, cloud()).outcome == fullrank.compare(new, new).outcome == "same"
    wide, few = gaussian(60, 200), gaussian(60, 200)
    few[7] *= 1e6
    assert fullrank.compare(wide, few).outcome == "same"  # as one row of 60 hardly changes a number


@pytest.mark.parametrize("expect", ["same-model", "same-rows", "same-distribution"])
def test_many_rows_that_became_zero_are_a_difference(expect: Expectation) -> None:
    new = cloud(seed=7) if expect == "same-distribution" else cloud().clone()
    new[30:90] = 0
    found = fullrank.compare(cloud(), new, expect=expect)
    assert found.outcome == "different"
    assert "more of the rows are zero, exploded or near-empty in the new embeddings than in the old" in found.sentence
    beyond = ", beyond chance" if expect == "same-distribution" else ""
    assert f" ones{beyond}, such as rows 30, 31, 32." in found.sentence
