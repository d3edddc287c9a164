"""One thread: tests run beside others, and tiny tensors are slower with more. Run folders that several rooms read."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fullrank.report import write_report
from tests.report.run_folders import write_run

torch.set_num_threads(1)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished, healthy run folder."""
    return write_run(tmp_path / "run")


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a healthy and of a collapsed run, written once for all tests that only look at it."""
    folder = tmp_path_factory.mktemp("pair")
    good = write_run(folder / "good")
    bad = write_run(folder / "bad", decay=0.3, recipe="simsiam", lr=0.05)
    return write_report([good, bad], folder / "report.html")
