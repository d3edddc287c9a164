"""Clouds on which rules said what is not so: ties, zeros, values of one sign, heavy tails, several groups."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.grade import more_rows, say_unsure
from fullrank.diagnosis.judge import judge_row
from fullrank.diagnosis.profiles import find_profile
from fullrank.diagnosis.rule import Evidence, Graded
from fullrank.metrics import summarize
from fullrank.metrics.measure import Measured
from tests.metrics.clouds import gaussian, power_law

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
    rows = {"duplicate_rows", "different_rows", "commonest_row", "other_copies"}
    assert {*report.measurements} == {"zero_rows", "row_norm"} | rows
    row = {**summarize(torch.zeros(100, 16)), "n": 100, "dims": 16}
    assert judge_row(row, find_profile("generic")).sentence == report.sentence


def test_two_rows_of_zeros_make_no_cone() -> None:
    z = torch.cat([torch.zeros(396, 16), gaussian(4, 16)])
    assert not {"cone", "slight cone", "complete collapse"} & {
        one.rule for one in fullrank.diagnose(z).findings if not one.unsure
    }


def test_rows_are_asked_for_only_where_they_can_decide() -> None:
    rank = Measured("rank_share", 0.2, low=0.1, high=0.3)
    assert "pass at least 400 rows" in more_rows(rank, 0.25, 100)
    assert "pass at least 150 rows" in more_rows(rank, 0.11, 100)  # not 124, which chance would raise again
    at = "undetermined, it lies at the threshold"
    assert at in more_rows(rank, 0.17, 100)  # as would be said of any number of rows
    excess = Measured("hub_excess", 2.6, low=1.5, high=3.7, sampled=2048)
    assert at in more_rows(excess, 3.0, 10_000)  # of pairs, no more rows are looked at
    tail = "undetermined, a few rows decide it"
    assert tail in more_rows(Measured("decay_exponent", 0.0, low=0.0, high=1.9), 1.7, 5000)
    assert tail in more_rows(Measured("rank_share", 0.46, low=0.0, high=1.0), 0.08, 3000)


@pytest.mark.parametrize("exponent", [2.0, 2.1])
def test_what_no_number_of_rows_decides_is_said_first(exponent: float) -> None:
    said = fullrank.diagnose(power_law(exponent, 100, 64)).sentence
    assert ("compare with the rank of the inputs" in said, "pass at least" in said) == (True, False)


def test_long_rows_do_not_make_the_scale_a_question_or_a_number_of_nothing() -> None:
    z = gaussian(1000, 16) * torch.exp(4 * gaussian(1000, 1, seed=1))
    assert "vanishing scale" not in {one.rule for one in fullrank.diagnose(z).findings}
    few = Evidence(Graded("decay_exponent", "above", 1.7), "it decays")
    nothing = {"decay_exponent": Measured("decay_exponent", 7e-12, low=0.0, high=1.9)}
    assert say_unsure(few, nothing, 1.7) == "power-law exponent of the participation ratio is 0"


def corners(*means: tuple[int, ...]) -> Tensor:
    """Groups of equal size around points of a grid, which is turned, in 24 dimensions."""
    points = torch.tensor(means, dtype=torch.float64) @ torch.linalg.qr(gaussian(24, len(means[0])))[0].T
    found: Tensor = 8 * points[torch.arange(400) % len(points)] + gaussian(400, 24, seed=1)
    return found


GROUPS = {
    "two": (True, corners((1, 0), (-1, 0))),
    "two, each with a small one within": (True, corners((4, 0), (4, 0), (-4, 1), (-4, -1)) / 4),
    "two pairs": (False, corners((3, 1), (3, -1), (-3, 2), (-3, -2))),
    "four": (False, corners((2, 1), (2, -1), (-2, 1), (-2, -1))),
    "five": (False, corners((2, 1, 0), (2, -1, 0), (-2, 0, 1), (-2, 0, -1), (2, 0, 0))),
}


@pytest.mark.parametrize(("two", "z"), GROUPS.values(), ids=GROUPS.keys())
def test_two_groups_are_said_of_two_and_not_of_more(two: bool, z: Tensor) -> None:
    rules = {one.rule for one in fullrank.diagnose(z).findings}
    assert (rules & {"modality gap of two groups", "several groups", "clusters"}) == (
        {"modality gap of two groups"} if two else {"several groups"}
    )


OFFSET = gaussian(400, 32) + 5


def test_a_cone_does_not_depend_on_the_sign() -> None:
    up, down = fullrank.diagnose(OFFSET), fullrank.diagnose(-OFFSET)
    assert (up.verdict, down.verdict) == ("healthy", "healthy")
    for report in (up, down):
        assert [(one.kind, one.severity) for one in report.findings] == [("cone", "note")]


@pytest.mark.parametrize(
    ("z", "rectified"),
    [(OFFSET, False), (gaussian(400, 32).abs(), False), ((gaussian(400, 32) + 1.5).clamp_min(0), True)],
    ids=["offset", "half-normals", "ReLU"],
)
def test_a_relu_is_named_only_where_values_are_zero(z: Tensor, rectified: bool) -> None:
    (found,) = fullrank.diagnose(z).findings
    assert (found.rule, "ReLU" in found.sentence) == ("cone of positive features", rectified)
    assert ("ReLU" in found.advice.causes[0].text) == rectified


def test_an_offset_hides_no_copies_and_no_dead_dimensions() -> None:
    still = OFFSET * (torch.arange(32) < 24) + 5 * (torch.arange(32) >= 24)
    for z, rule in ((OFFSET[:, :16].repeat(1, 2), "copied dimensions"), (still, "dead dimensions")):
        report = fullrank.diagnose(z)
        assert (report.verdict, report.findings[0].rule) == ("collapsed", rule)
        assert "ReLU" not in str(report)


def test_equal_eigenvalues_have_no_head_however_wide_its_interval() -> None:
    white = torch.linalg.qr(gaussian(100, 20)).Q
    for z in (white, *(gaussian(40, 4, seed=seed) for seed in range(10))):
        assert fullrank.diagnose(z).verdict == "healthy"


WIDE = [(32, 64), (64, 256), (100, 256), (128, 256), (200, 256), (300, 512), (100, 1000)]


@pytest.mark.parametrize(("n", "dims"), WIDE)
def test_orthogonal_rows_in_more_dimensions_are_healthy(n: int, dims: int) -> None:
    """Rounding alone decided whether their participation ratio was D or N - 1, and the jackknife corrected that."""
    z = 16 * torch.linalg.qr(gaussian(dims, n).double()).Q.T
    for rows in (z, z.float(), z - z.mean(0)):
        report = fullrank.diagnose(rows)
        decay = report.measurements["decay_exponent"]
        assert report.verdict == "healthy"
        assert decay.high == pytest.approx(0, abs=1e-6)


def test_rows_of_an_identity_have_figures() -> None:
    assert len(fullrank.diagnose(torch.eye(256)[:128]).figures["projection"]["x"]) == 128
