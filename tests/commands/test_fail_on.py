"""`fullrank diagnose --fail-on`: the exit code for every kind of collapse, as a warning and as a failure."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank.cli import main
from fullrank.diagnosis.kinds import RULES
from tests.diagnosis.clouds import CASES
from tests.metrics.clouds import gaussian

ROWS, DIMS = 800, 64


def empty_rows() -> Tensor:
    z = gaussian(ROWS, DIMS)
    z[: ROWS // 3] = 0  # a few would be a note
    return z


def few_codes() -> Tensor:
    weights = torch.arange(1.0, 129.0) ** -2.0 + 1e-3
    return gaussian(128, DIMS)[torch.multinomial(weights, ROWS, True, generator=torch.Generator().manual_seed(0))]


NOT_BAD = ("healthy", "undetermined")
BAD = {case.kind: (case.cloud(ROWS, DIMS, 0), case.profile) for case in CASES if case.kind not in NOT_BAD}
BAD |= {"scale": (1e-20 * gaussian(ROWS, DIMS), "generic"), "single rows": (empty_rows(), "generic")}
BAD |= {"codebook": (few_codes(), "generic")}


def run(z: Tensor, profile: str, *flags: str) -> tuple[int, dict[str, str]]:
    """The exit code, and the report."""
    views = ["--views", str(len(z))] if z.ndim == 3 else []
    np.save("z.npy", z.reshape(-1, z.shape[-1]).numpy())
    code = main(["diagnose", "z.npy", "--profile", profile, "--no-report", "--json", "z.json", *views, *flags])
    return code, json.loads(Path("z.json").read_text())


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_every_kind_has_a_cloud() -> None:
    assert set(BAD) == {rule.kind for rule in RULES if rule.kind is not None}


@pytest.mark.parametrize("kind", BAD)
@pytest.mark.slow
def test_every_kind_fails_on_a_warning_and_on_a_failure_only_when_it_is_one(kind: str) -> None:
    code, report = run(*BAD[kind], "--fail-on", "warn")
    assert (code, report["kind"]) == (1, kind)
    assert report["verdict"] in ("degraded", "collapsed")
    assert run(*BAD[kind])[0] == int(report["verdict"] == "collapsed")


@pytest.mark.slow
def test_what_is_healthy_fails_on_nothing() -> None:
    assert [run(gaussian(ROWS, DIMS), "generic", "--fail-on", on)[0] for on in ("warn", "fail")] == [0, 0]


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_a_failure() -> None:
    assert run(torch.as_tensor(gaussian(ROWS, DIMS)), "generic", "--loss", "infonce=nan", "--batch-size", "64")[0] == 1
