"""What a rule must tell apart from what looks alike: signs from cones, axes from rogues, single rows from heads."""

from __future__ import annotations

import math

import pytest
import torch

import fullrank
from fullrank.diagnosis.judge import judge_row
from fullrank.diagnosis.known import Known
from fullrank.diagnosis.profiles import PROFILES
from fullrank.metrics import hub_skewness
from tests.diagnosis.clouds import hubs, relu
from tests.metrics.clouds import gaussian, low_rank, offset

SIZES = pytest.mark.parametrize(("n", "dims"), [(96, 256), (600, 64)])


def found(z: torch.Tensor, **options: object) -> dict[str, str]:
    """Rule to severity of everything that was found."""
    report = fullrank.diagnose(z.float(), **options)  # type: ignore[arg-type]
    return {finding.rule: finding.severity for finding in report.findings}


@SIZES
@pytest.mark.slow
def test_features_without_a_sign_have_the_cosine_of_half_normals(n: int, dims: int) -> None:
    halves = fullrank.diagnose(gaussian(n, dims).abs().float()).measurements
    assert halves["mean_cosine"].value == pytest.approx(2 / math.pi, abs=0.01)
    assert halves["cosine_excess"].value == pytest.approx(0.0, abs=0.03)
    rectified = fullrank.diagnose(relu(n, dims, 0).float()).measurements
    assert rectified["mean_cosine"].value == pytest.approx(1 / math.pi, abs=0.01)
    assert (rectified["negative_share"].value, rectified["cosine_excess"].value < 0) == (0.0, True)
    signed = fullrank.diagnose(offset(math.sqrt(0.3), n, dims).float()).measurements
    assert signed["cosine_excess"].value == signed["mean_cosine"].value == pytest.approx(0.7, abs=0.02)


@SIZES
@pytest.mark.slow
def test_a_cone_by_the_signs_is_a_note_and_one_beyond_them_a_warning(n: int, dims: int) -> None:
    assert found(relu(n, dims, 0)) == {}
    by_signs = fullrank.diagnose(gaussian(n, dims).abs().float() + 0.1)
    assert [(one.rule, one.severity) for one in by_signs.findings] == [("cone of positive features", "note")]
    assert {rule for rule, _ in by_signs.silenced} <= {"hubs"}  # which their common mean makes, at 600 x 64
    assert (by_signs.verdict, "z - z.mean(0)" in str(by_signs.findings[0].advice.remedies)) == ("healthy", True)
    z = relu(n, dims, 0)
    z[0, 0] = -1e-3  # nearly none is negative
    assert found(z + 4) == {"cone": "warn"}  # the cosine is 0.98
    assert found(offset(math.sqrt(0.05), n, dims)) == {"cone": "warn"}  # 0.95, with both signs
    assert found(offset(math.sqrt(0.3), n, dims)) == {"slight cone": "note"}  # 0.7


@SIZES
@pytest.mark.slow
def test_a_single_large_dimension_is_seen_at_any_number_of_rows(n: int, dims: int) -> None:
    z = gaussian(n, dims)
    z[:, 3] *= math.sqrt(30)
    assert found(z) == {"dimensions that outweigh the rest": "warn"}
    z[:, 3] *= 4
    assert found(z) == {"dimensions that outweigh the rest": "fail"}


@pytest.mark.parametrize(("n", "dims", "huge"), [(600, 256, 5), (1500, 400, 8), (200, 500, 10)])
@pytest.mark.slow
def test_several_huge_dimensions_are_named_and_not_taken_for_a_lost_rank(n: int, dims: int, huge: int) -> None:
    z = gaussian(n, dims)
    which = torch.randperm(dims, generator=torch.Generator().manual_seed(dims))[:huge]
    z[:, which] *= torch.linspace(20, 60, huge)  # variances of 400 to 3,600 times the others'
    report = fullrank.diagnose(z.float())
    assert (report.verdict, report.kind) == ("collapsed", "head-dominated")
    assert set(report.findings[0].which) == set(which.tolist())
    assert [one.rule for one in report.findings] == ["dimensions that outweigh the rest"]
    assert report.measurements["share_behind"].value > 0.8


def test_one_in_sixteen_directions_with_noise_is_a_lost_rank_and_no_few_dimensions() -> None:
    z = 0.02 * gaussian(600, 256)
    z[:, :16] = gaussian(600, 16, seed=1)
    assert fullrank.diagnose(z.float()).kind == "dimensional"


@pytest.mark.parametrize("profile", ["generic", "supervised"])
@pytest.mark.slow
def test_a_single_large_dimension_is_seen_in_fewer_rows_than_dimensions(profile: str) -> None:
    z = gaussian(200, 500) @ torch.diag(torch.arange(1, 501, dtype=torch.float64) ** -0.8)
    assert not {"head-dominated spectrum", "dimensions that outweigh the rest"} & set(found(z, profile=profile))
    z[:, 17] = gaussian(200, 1, seed=3)[:, 0] * (30 * z.var(0).sum()).sqrt()
    report = fullrank.diagnose(z.float(), profile=profile)
    assert 0.1 < report.measurements["rank_share"].value < 0.25
    assert (report.verdict, report.kind) == ("collapsed", "head-dominated")


@pytest.mark.slow
def test_the_axes_of_a_power_law_are_no_rogue_dimensions() -> None:
    report = fullrank.diagnose((gaussian(1500, 128) * torch.arange(1, 129) ** -0.5).float())
    assert report.measurements["rogue_dimension"].value > 10
    assert (report.verdict, report.findings) == ("healthy", ())


def test_the_length_of_one_row_is_no_head() -> None:
    z = gaussian(96, 256) * (0.5 * gaussian(96, 1, seed=1)).exp()  # norms with a tail, so that the row is not left out
    z[5] *= 11 / z[5].norm() * z.norm(dim=1).median()
    report = fullrank.diagnose(z.float())
    assert report.measurements["head_gap"].value > 10
    assert report.measurements["head_error"].value == pytest.approx(1, abs=0.1)  # the variance of 1 of 96 rows
    assert "head-dominated spectrum" not in {finding.rule for finding in report.findings}


@pytest.mark.slow
@pytest.mark.parametrize("n", [64, 96])
def test_hubs_are_seen_in_few_rows(n: int) -> None:
    assert [found(hubs(n, 256, seed)) for seed in range(200, 203)] == [{"hubs": "warn"}] * 3


def test_the_skewness_of_few_rows_cannot_pass_its_threshold() -> None:
    star = torch.zeros(64, 74, dtype=torch.float64)  # ten rows are the neighbors of all: there is nothing worse
    star[:, 64:] = 1.0 - 1e-3 * torch.eye(64, 10)
    star[10:, 10:64] = torch.eye(54)
    assert 1.5 < hub_skewness(star) < 2.0


def test_random_labels_are_a_note() -> None:
    labels = torch.randint(10, (600,), generator=torch.Generator().manual_seed(0))
    report = fullrank.diagnose(gaussian(600, 32).float(), labels=labels.numpy())
    assert (report.verdict, [one.rule for one in report.findings]) == ("healthy", ["labels at chance"])


@pytest.mark.slow
def test_no_jump_excuses_what_decays_behind_it() -> None:
    z = low_rank(20, 600, 256)
    z[:, :] += 30 * gaussian(600, 1, seed=3) * gaussian(1, 256, seed=4) / 16
    report = fullrank.diagnose(z.float())
    assert report.measurements["head_gap"].value > 10
    assert (report.verdict, report.kind) == ("collapsed", "dimensional")
    assert "power law" in report.sentence or "directions" in report.sentence


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.01, 0.05])
@pytest.mark.parametrize(("kept", "dims"), [(16, 64), (24, 384)])
def test_noise_does_not_hide_a_lost_rank(kept: int, dims: int, noise: float) -> None:
    z = gaussian(2000, dims) + 0.3
    directions = torch.linalg.qr(gaussian(dims, kept, seed=7)).Q
    cut = z @ directions @ directions.T
    report = fullrank.diagnose(cut + noise * cut.std() * gaussian(2000, dims, seed=9))
    assert report.verdict in ("collapsed", "degraded")
    assert report.measurements["signal_rank"].value == kept
    assert fullrank.diagnose(z).measurements["signal_rank"].value == dims


def _far(rows: int, *, wide: float, lean: float = 0.0, seed: int = 0) -> torch.Tensor:
    """600 x 32, of which the first are 30 times as long in one direction, but for `wide` of that length."""
    z = gaussian(600, 32, seed=seed) + lean
    direction = gaussian(1, 32, seed=seed + 1)
    z[:rows] = 30 * (direction + wide * gaussian(rows, 32, seed=seed + 2))
    return z


@pytest.mark.parametrize("rows", [3, 12, 30])
@pytest.mark.parametrize("wide", [0.02, 0.2])
@pytest.mark.parametrize("lean", [0.0, 0.5])
def test_rows_that_are_far_but_alike_are_a_group_and_not_exploded(rows: int, wide: float, lean: float) -> None:
    report = fullrank.diagnose(_far(rows, wide=wide, lean=lean).float())
    assert (report.verdict, [one.rule for one in report.findings]) == ("degraded", ["a far group"])
    assert len(report.findings[0].which) == min(rows, 20)
    assert set(report.findings[0].which) <= {*range(rows)}
    assert (report.left_out, report.measurements["effective_rank"].value > 25) == (rows, True)


@pytest.mark.parametrize("lean", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("rows", [1, 2, 3, 12, 30])
def test_rows_that_broke_one_by_one_are_exploded_also_in_a_cone(rows: int, lean: float) -> None:
    z = gaussian(600, 32) + lean
    z[:rows] *= 100
    rules = {one.rule for one in fullrank.diagnose(z.float()).findings}
    assert "exploded rows" in rules
    assert "a far group" not in rules


def test_few_dimensions_have_no_exponent_that_decides() -> None:
    z = gaussian(1000, 2) * torch.tensor([3.0, 1.0], dtype=torch.float64)
    assert fullrank.diagnose(z).verdict == "healthy"


def test_a_run_whose_rank_fell_is_not_doubted() -> None:
    steep = {"decay_exponent": 1.85, "participation_ratio": 3.0, "relative_spread": 0.8, "n": 500, "dims": 64}
    fell, kept = (Known(of_run=True, numbers={"steps": 400.0, "rank_since_start": share}) for share in (0.1, 1.0))
    profile = PROFILES["non-contrastive"]
    assert judge_row(steep, profile, known=fell).state == "collapsed"
    assert judge_row(steep, profile, known=kept).state != "collapsed"
