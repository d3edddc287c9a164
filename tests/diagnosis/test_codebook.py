"""Quantized embeddings: what counts is how evenly the codes are used, not that rows repeat."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import fullrank
from fullrank.metrics import code_use, different_rows, lone_rows
from fullrank.metrics.cloud import Cloud
from fullrank.metrics.measure import measure
from fullrank.stats.sketch import sketch
from tests.metrics.clouds import gaussian


@pytest.mark.slow
@pytest.mark.parametrize(("codes", "n"), [(1024, 6000), (20, 6000), (8192, 40_000)])
def test_codes_that_are_used_evenly_are_healthy(codes: int, n: int) -> None:
    which = torch.randint(codes, (n,), generator=torch.Generator().manual_seed(0))
    report = fullrank.diagnose(gaussian(codes, 64)[which])
    assert "duplicate rows" not in {one.rule for one in report.findings}
    assert "codes" in {one.rule for one in report.findings}
    if codes > 64:  # 20 codes span 20 directions, which is a finding of its own
        assert (report.verdict, [one.rule for one in report.findings]) == ("healthy", ["codes"])


@pytest.mark.slow
@pytest.mark.parametrize(("codes", "n"), [(2048, 6000), (1024, 2000), (750, 1500)])
def test_few_draws_of_each_code_are_undetermined(codes: int, n: int) -> None:
    """They are those of data that are drawn with replacement, too."""
    which = torch.randint(codes, (n,), generator=torch.Generator().manual_seed(0))
    report = fullrank.diagnose(gaussian(codes, 64)[which])
    assert (report.verdict, report.findings[0].rule) == ("undetermined", "duplicate rows")


@pytest.mark.slow
@pytest.mark.parametrize(("share", "verdict"), [(0.0, "collapsed"), (0.1, "undetermined")])
def test_one_vector_is_named_where_others_repeat_too(share: float, verdict: str) -> None:
    """15 % of the rows are one vector, the others are there three times, but for a share that is there once."""
    z = gaussian(400, 64).repeat(3, 1)
    once = int(share * len(z))
    z = torch.cat([z[: len(z) - once], gaussian(once, 64, seed=1), z[:1].repeat(200, 1)])
    report = fullrank.diagnose(z)
    assert report.verdict == verdict
    assert "one vector for some rows" in {one.rule for one in report.findings}


@pytest.mark.parametrize("times", [3, 4])
def test_every_row_a_few_times_is_no_codebook(times: int) -> None:
    report = fullrank.diagnose(gaussian(400, 64).repeat(times, 1))
    assert (report.verdict, report.kind) == ("collapsed", "duplicates")


@pytest.mark.parametrize(("power", "verdict"), [(1.0, "degraded"), (4.0, "collapsed")])
@pytest.mark.slow
def test_codes_of_which_few_are_used_are_named(power: float, verdict: str) -> None:
    weights = torch.arange(1.0, 257.0) ** -power + 1e-3
    which = torch.multinomial(weights, 2000, replacement=True, generator=torch.Generator().manual_seed(0))
    report = fullrank.diagnose(gaussian(256, 64)[which])
    found = next(one for one in report.findings if one.rule == "unused codes")
    assert (report.verdict, found.kind) == (verdict, "codebook")


def test_the_use_of_codes_is_that_of_all_rows() -> None:
    """A sample of 2,048 rows has nearly as many of 4,096 codes as rows."""
    which = torch.randint(4096, (20_000,), generator=torch.Generator().manual_seed(0))
    z = gaussian(4096, 8)[which]
    whole = sketch(z.split(3000))
    found, cloud = measure(whole), Cloud(z)
    for name, function in (("different_rows", different_rows), ("lone_rows", lone_rows), ("code_use", code_use)):
        assert found[name].value == pytest.approx(function(cloud), rel=1e-9), name
        assert found[name].sampled is None
    without_counts = replace(whole, hashes=replace(whole.hashes, counts=None))  # as of files of 0.2.0
    old = measure(without_counts)
    assert (old["lone_rows"].sampled, old["lone_rows"].value > 0.5) == (2048, True)
    assert old["duplicate_rows"] == found["duplicate_rows"]


@pytest.mark.slow
def test_data_with_many_copies_of_one_row_is_no_codebook() -> None:
    z = gaussian(2000, 64)
    z[:1200] = z[0].clone()
    report = fullrank.diagnose(z)
    assert (report.verdict, [one.rule for one in report.findings]) == ("collapsed", ["one vector for many rows"])
