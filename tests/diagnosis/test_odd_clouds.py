"""Clouds on which rules said what is not so: ties, zeros, values of one sign, heavy tails, several groups."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.judge import judge_row
from fullrank.diagnosis.profiles import find_profile
from fullrank.metrics import summarize
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


def test_of_zeros_no_number_is_said_that_is_not_defined() -> None:
    report = fullrank.diagnose(torch.zeros(100, 16))
    assert (
        report.sentence == "Collapsed to a point: 100.0% of the rows are 0: they have neither a direction nor a norm."
    )
    assert {*report.measurements} == {"zero_rows", "row_norm", "duplicate_rows", "different_rows", "commonest_row"}
    row = {**summarize(torch.zeros(100, 16)), "n": 100, "dims": 16}
    assert judge_row(row, find_profile("generic")).sentence == report.sentence


def test_two_rows_of_zeros_make_no_cone() -> None:
    z = torch.cat([torch.zeros(396, 16), gaussian(4, 16)])
    assert not {"cone", "slight cone", "complete collapse"} & {
        one.rule for one in fullrank.diagnose(z).findings if not one.unsure
    }
