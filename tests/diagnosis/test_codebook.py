"""Quantized embeddings: what counts is how evenly the codes are used, not that rows repeat."""

from __future__ import annotations

import pytest
import torch

import fullrank
from tests.metrics.clouds import gaussian


@pytest.mark.slow
@pytest.mark.parametrize("codes", [1024, 20])
def test_codes_that_are_used_evenly_are_healthy(codes: int) -> None:
    which = torch.randint(codes, (6000,), generator=torch.Generator().manual_seed(0))
    report = fullrank.diagnose(gaussian(codes, 64)[which])
    assert "duplicate rows" not in {one.rule for one in report.findings}
    assert "codes" in {one.rule for one in report.findings}
    if codes > 64:  # 20 codes span 20 directions, which is a finding of its own
        assert (report.verdict, [one.rule for one in report.findings]) == ("healthy", ["codes"])


@pytest.mark.parametrize(("power", "verdict"), [(1.0, "degraded"), (4.0, "collapsed")])
@pytest.mark.slow
def test_codes_of_which_few_are_used_are_named(power: float, verdict: str) -> None:
    weights = torch.arange(1.0, 257.0) ** -power + 1e-3
    which = torch.multinomial(weights, 2000, replacement=True, generator=torch.Generator().manual_seed(0))
    report = fullrank.diagnose(gaussian(256, 64)[which])
    found = next(one for one in report.findings if one.rule == "unused codes")
    assert (report.verdict, found.kind) == (verdict, "codebook")


@pytest.mark.slow
def test_data_with_many_copies_of_one_row_is_no_codebook() -> None:
    z = gaussian(2000, 64)
    z[:1200] = z[0].clone()
    report = fullrank.diagnose(z)
    assert (report.verdict, [one.rule for one in report.findings]) == ("collapsed", ["one vector for many rows"])
