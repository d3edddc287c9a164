"""A cluster that reads shards comes to the verdict of one process, also where it loses a worker."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from fullrank.cli import main
from fullrank.clusters.engines import engine
from fullrank.clusters.shards import Shard, count, numbered, parts
from fullrank.embeddings import open_embeddings
from fullrank.errors import UserError

ENGINES = ["dask", *(["ray"] if importlib.util.find_spec("ray") else [])]  # ray is not among the packages of the tests
LOCAL = ("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


def shard(folder: Path, counts: tuple[int, ...] = (700, 30, 1200, 500), ending: str = "parquet") -> str:
    """Shards of rows of rank 6 in 24 dimensions, with a label; the pattern of their names."""
    random = np.random.default_rng(0)
    axes = random.standard_normal((6, 24))
    for at, rows in enumerate(counts):
        z = (random.standard_normal((rows, 6)) @ axes + 0.01 * random.standard_normal((rows, 24))).astype(np.float32)
        z[rows // 2] = 0
        if ending == "parquet":
            table = pa.table({"embedding": list(z), "label": (np.arange(rows) % 3).astype(str)})
            pyarrow.parquet.write_table(table, folder / f"part-{at}.parquet")
        else:
            np.savetxt(folder / f"part-{at}.csv", z, delimiter=",")
    return str(folder / f"part-*.{ending}")


def report(arguments: list[str], to: Path) -> dict[str, Any]:
    main(["diagnose", *arguments, "--no-report", "--json", str(to)])
    found: dict[str, Any] = json.loads(to.read_text())
    return found


def alike(one: Any, other: Any, place: str = "") -> None:
    """Assert that two reports say the same, numbers to 1e-9."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), place
        for name in one:
            alike(one[name], other[name], f"{place}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), place
        for at, (a, b) in enumerate(zip(one, other, strict=True)):
            alike(a, b, f"{place}[{at}]")
    elif isinstance(one, float):
        assert other == pytest.approx(one, rel=1e-9, abs=1e-9), place
    else:
        assert one == other, place


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_a_cluster_comes_to_the_verdict_of_one_process(name: str, tmp_path: Path) -> None:
    pattern = shard(tmp_path)
    arguments = [pattern, "--labels", f"{pattern}::label"]
    one = report(arguments, tmp_path / "one.json")
    assert one["n"] == 2426  # four rows are zero
    alike(one, report([*arguments, "--on", name], tmp_path / "two.json"))


class _Dies:
    """Kills its own worker when it first comes to the second item."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __call__(self, item: int) -> int:
        if item == 1 and not self.mark.exists():
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return item


def _sum(one: int, other: int) -> int:
    return one + other


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_a_lost_worker_is_replaced_by_the_cluster(name: str, tmp_path: Path) -> None:
    assert engine(name)(_Dies(tmp_path / "died"), range(5), _sum) == [10]
    assert (tmp_path / "died").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_what_a_worker_cannot_read_is_one_sentence(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pattern = shard(tmp_path, (40, 40, 40))
    column = np.random.default_rng(0).standard_normal((40, 24)).astype(np.float32)
    column[3, 5] = np.nan
    table = pa.table({"embedding": list(column), "label": np.arange(40).astype(str)})
    pyarrow.parquet.write_table(table, tmp_path / "part-1.parquet")
    assert main(["diagnose", pattern, "--labels", f"{pattern}::label", "--on", name]) == 2
    said = capsys.readouterr().err
    assert "Row 43 contains NaN" in said
    assert "Traceback" not in said


def test_shards_of_unknown_length_are_counted(tmp_path: Path) -> None:
    file = open_embeddings(shard(tmp_path, (30, 20), "csv"))
    found = parts(file, ())
    assert [one.rows for one in found] == [None, None]
    assert [count(one) for one in found] == [30, 20]
    assert [one.start for one in numbered([Shard("a", 30), Shard("b", 20)])] == [0, 30]


def test_a_shard_keeps_the_columns_that_are_no_dimensions(tmp_path: Path) -> None:
    pattern = shard(tmp_path, (30, 20))
    found = parts(open_embeddings(f"{pattern}::embedding"), [f"{pattern}::label"])
    first = tmp_path / "part-0.parquet"
    assert found[0] == Shard(f"{first}::embedding", 30, 0, (f"{first}::label",))


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--on", "slurm"], "There is no cluster slurm: pass --on dask or --on ray"),
        (["--on", "dask", "--views", "2"], "leave out --views and --groups"),
        (["--on", "dask:tcp://127.0.0.1:1"], "No Dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    flags: list[str], sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("fullrank.clusters.engines.PATIENCE", 0.5)
    assert main(["diagnose", shard(tmp_path, (30, 20)), *flags]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize(("name", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_a_missing_extra_is_named(name: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    there: Callable[..., Any] = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda asked: None if asked == package else there(asked))
    with pytest.raises(UserError, match=rf"--on {name} needs {package}: pip install 'fullrank\[{name}\]'"):
        engine(name)
