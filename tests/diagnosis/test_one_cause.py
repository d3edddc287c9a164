"""What one row or one vector causes is said once, of it, and everything else is judged without it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import fullrank
from tests.metrics.clouds import gaussian

DUPLICATES = {"one vector for some rows", "one vector for many rows", "duplicate rows", "some duplicate rows"}


def one_vector(share: float, pairs: int = 0) -> Tensor:
    z = gaussian(1000, 24)
    z[: round(1000 * share)] = 1.0
    z[900 : 900 + pairs] = z[700 : 700 + pairs]
    return z


@pytest.mark.parametrize(
    ("z", "verdict", "rules"),
    [
        (one_vector(0.1), "healthy", {"one vector for some rows"}),
        (one_vector(0.3), "degraded", {"one vector for many rows"}),
        (one_vector(0.5), "degraded", {"one vector for many rows"}),  # and no two groups
        (one_vector(0.6), "collapsed", {"one vector for many rows"}),
        (one_vector(0.1, pairs=60), "healthy", {"one vector for some rows", "some duplicate rows"}),
        (one_vector(0.3, pairs=90), "degraded", {"one vector for many rows", "duplicate rows"}),
        (one_vector(0.0, pairs=60), "healthy", {"some duplicate rows"}),
        (one_vector(0.014)[:40], "degraded", {"one vector for many rows", "duplicate rows"}),  # of few rows: both
    ],
)
def test_copies_of_one_vector_are_said_of_it_alone(z: Tensor, verdict: str, rules: set[str]) -> None:
    report = fullrank.diagnose(z)
    assert report.verdict == verdict
    assert {one.rule for one in report.findings} & (DUPLICATES | {"modality gap of two groups"}) == rules


def test_half_of_the_rows_of_zeros_are_said_to_be_zeros() -> None:
    z = gaussian(600, 32)
    z[:300] = 0
    assert [one.rule for one in fullrank.diagnose(z).findings] == ["rows of zeros"]
    z[:420] = 0
    assert fullrank.diagnose(z).sentence == "Collapsed to copies: 70.0% of the rows are one and the same vector."


@pytest.mark.parametrize(
    ("n", "rows"), [(200, (5, 9, 17)), (600, (5,)), pytest.param(2500, (5, 9), marks=pytest.mark.slow)]
)
def test_dimensions_that_vary_for_few_rows_are_dead_and_no_copies(n: int, rows: tuple[int, ...]) -> None:
    z = gaussian(n, 32)
    z[:, 20:] = 0
    for at, row in enumerate(rows):
        z[row, 20 + 4 * at :] = gaussian(1, 12 - 4 * at, seed=row)
    report = fullrank.diagnose(z, seed=4)  # the sample of 2,500 rows holds them
    assert [one.rule for one in report.findings] == ["dead dimensions"]
    assert report.measurements["dead_dimensions"].value == 12 / 32
    assert report.measurements["duplicate_dimensions"].value == 0


def test_dimensions_that_a_row_of_its_own_has_each_stay_as_they_are() -> None:
    """As of words that one document has: the data is like that."""
    report = fullrank.diagnose(torch.cat([gaussian(40, 40), torch.eye(40).double()], 1))
    assert report.measurements["dead_dimensions"].value == 0
    z = gaussian(600, 32)
    z[:, 16:] = z[:, :16]
    z[5, 20:] = 1000.0  # of copies, a row that is longer than all others is left out
    assert fullrank.diagnose(z).measurements["duplicate_dimensions"].value == 0.5


@pytest.mark.parametrize(
    ("z", "rows"),
    [
        (gaussian(20, 64), {5: 1e6, 6: 1e5}),  # a tenth of the rows
        (gaussian(17, 8), {5: 1e3}),  # and then they are fewer than 16
        (gaussian(300, 64) * torch.exp(2 * gaussian(300, 1, seed=1)), {5: 1e5}),  # in a heavy tail
    ],
    ids=["two of 20", "one of 17", "in a tail"],
)
def test_rows_that_hold_all_of_the_energy_are_named(z: Tensor, rows: dict[int, float]) -> None:
    for row, factor in rows.items():
        z[row] *= factor
    report = fullrank.diagnose(z)
    first = report.findings[0]
    assert (first.rule, set(first.which), report.left_out) == ("exploded rows", set(rows), len(rows))
    said = " and ".join(str(row) for row in first.which)
    assert first.sentence.startswith(f"row{'s' * (len(rows) > 1)} {said} ha")
    assert "copied dimensions" not in {one.rule for one in report.findings}


def test_a_relu_killed_no_row_where_values_are_negative() -> None:
    for z, told in ((gaussian(200, 16), False), (gaussian(200, 16).relu(), True)):
        z[:5] = 0
        zeros = next(one for one in fullrank.diagnose(z).findings if one.rule == "some rows of zeros")
        assert ("ReLU" in str(zeros.advice.causes)) == told


def test_a_cloud_of_its_own_may_have_been_only_pulled_together() -> None:
    causes = fullrank.diagnose(5 + 1e-3 * gaussian(200, 16), profile="non-contrastive").findings[0].advice.causes
    assert causes[0].text == "nothing in the objective keeps embeddings apart"


def test_evidence_is_what_was_found_and_not_what_else_it_could_have_been() -> None:
    z = torch.where(torch.arange(600) % 2 == 0, 1.0, -1.0).double()[:, None] * 3 + gaussian(600, 24)
    report = fullrank.diagnose(z)
    found = next(one for one in report.findings if one.rule == "modality gap of two groups")
    assert {"side_bimodality", "neighbor_jump", "commonest_row"} <= report.measurements.keys()
    assert found.evidence == ("bimodality",)


@pytest.mark.parametrize(("share", "verdict"), [(0.3, "healthy"), (0.6, "collapsed"), (0.97, "collapsed")])
def test_one_vector_for_most_items_is_a_collapse_of_a_recommender_too(share: float, verdict: str) -> None:
    assert fullrank.diagnose(one_vector(share), profile="recsys").verdict == verdict
