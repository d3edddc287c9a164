"""Memory is known before it is taken, and asked for in one sentence if it is too much."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank import diagnose
from fullrank.cli import main
from fullrank.errors import UserError
from fullrank.stats.sketch import memory, sketch
from fullrank.stats.sketch.one_pass import diagnosis_bytes

WIDE = 300_000


def test_a_huge_wide_file_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file has 22 GB, none of which is on the disk; its moments would take 17,000 GB."""
    monkeypatch.chdir(tmp_path)
    np.lib.format.open_memmap("wide.npy", "w+", np.float32, (20_000, WIDE)).flush()
    assert main(["diagnose", "wide.npy"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "A diagnosis of 20,000 rows of 300,000 dimensions would take" in said
    assert "pass fewer dimensions, by PCA or a random projection" in said
    assert [path.name for path in tmp_path.iterdir()] == ["wide.npy"]


@pytest.mark.parametrize(("n", "remedy"), [(5000, "pass fewer rows, or fewer dimensions"), (9000, "pass fewer dimens")])
def test_where_the_rows_are_known_nothing_but_the_first_chunk_is_read(
    n: int, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    def chunks() -> Iterator[Tensor]:
        for at in range(0, n, 100):
            read.append(at)
            yield torch.ones(1, 1).expand(100, 8500)

    monkeypatch.setattr(memory, "free_memory", lambda: 2**30)
    with pytest.raises(UserError, match=remedy):
        sketch(chunks(), n=n)
    assert read == [0]


def test_of_a_stream_memory_is_asked_for_as_it_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def chunks() -> Iterator[Tensor]:
        for at in range(0, 2000, 100):
            read.append(at)
            yield torch.randn(100, 8500, generator=torch.Generator().manual_seed(at))

    monkeypatch.setattr(memory, "free_memory", lambda: diagnosis_bytes(500, 1, 8500))
    with pytest.raises(UserError, match=r"of \d+ rows of 8,500 dimensions"):
        sketch(chunks())
    assert 500 <= read[-1] <= 600  # what the rows before have taken is not asked for again


def test_an_array_that_fits_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.randn(300, 40, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(memory, "free_memory", lambda: diagnosis_bytes(300, 1, 40))
    assert diagnose(z).verdict == "healthy"
    monkeypatch.setattr(memory, "free_memory", lambda: diagnosis_bytes(300, 1, 40) - 1)
    with pytest.raises(UserError, match="A diagnosis of 300 rows of 40 dimensions"):
        diagnose(z)


def test_a_sketch_whose_moments_do_not_fit_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    made = sketch([torch.randn(20, 2000)])
    monkeypatch.setattr(memory, "free_memory", lambda: 2**18)
    with pytest.raises(UserError, match=r"The moments of 20 rows would take 0\.0 GB"):
        made.total  # noqa: B018


PEAK = """
import torch
from fullrank import diagnose
torch.set_num_threads(1)
diagnose(torch.randn(200, 600)).to_json()
z = torch.randn({n}, {dims})
def peak():  # of this program alone, where ru_maxrss begins with that of the process it was forked from
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1])
before = peak()
diagnose(z).figures
print((peak() - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
@pytest.mark.parametrize(("n", "dims"), [(400, 12_000), (3000, 1024)])
def test_what_is_asked_for_is_what_is_taken(n: int, dims: int) -> None:
    code = PEAK.format(n=n, dims=dims)
    taken = int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)
    assert 0.5 < taken / diagnosis_bytes(n, 1, dims) <= 1.0
