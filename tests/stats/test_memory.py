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


GB = 2**30
MACHINE = {"/proc/meminfo": "MemTotal: 99 kB\nMemAvailable:   33554432 kB\n"}
SECOND = {"memory.max": 8 * GB, "memory.current": 7 * GB, "memory.stat": f"file 9\ninactive_file {2 * GB}\nanon 3"}
FIRST = {"memory.limit_in_bytes": 8 * GB, "memory.usage_in_bytes": 7 * GB, "memory.stat": f"total_inactive_file {GB}"}


def group(place: str, files: dict[str, object]) -> dict[str, str]:
    return {f"/sys/fs/cgroup{place}/{name}": f"{value}\n" for name, value in files.items()}


@pytest.mark.parametrize(
    ("cgroup", "files", "free"),
    [
        ("0::/\n", {}, 32),
        ("0::/\n", group("", SECOND), 3),  # of a container, which sees itself as the root
        ("", group("", SECOND), 3),
        ("0::/user/job\n", group("", {"memory.max": "max"}) | group("/user/job", SECOND), 3),
        ("0::/user/job\n", group("/user", SECOND) | group("/user/job", SECOND | {"memory.max": 10 * GB}), 3),
        ("0::/user/job\n", group("/user", SECOND | {"memory.current": 12 * GB}) | group("/other", FIRST), 0),
        ("5:cpu:/\n4:memory:/job\n0::/\n", group("/memory/job", FIRST), 2),
        ("4:cpu,memory:/docker/a:b\n", group("/memory", FIRST), 2),  # whose group is the root inside
        ("0::/\n", group("", {"memory.max": 8 * GB}), 8),
        ("0::/\n", group("", SECOND | {"memory.stat": f"active_file {3 * GB}\ninactive_file {GB}\nanon 3"}), 5),
        ("0::/\n", group("", SECOND | {"memory.stat": f"active_anon 9\nslab_reclaimable {GB}"}), 2),
    ],
)
def test_what_a_container_has_taken_is_not_free(
    cgroup: str, files: dict[str, str], free: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = MACHINE | {"/proc/self/cgroup": cgroup} | files
    monkeypatch.setattr(memory, "_read", lambda path: known.get(path, ""))
    assert memory.free_memory() == free * GB


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
