"""Runs that version 0.1.0 wrote are read, reported, evaluated and resumed."""

from __future__ import annotations

import lzma
import shutil
from pathlib import Path

import numpy as np
import pytest

from fullrank.cli import main
from fullrank.runs import read_json, read_rows
from fullrank.runs.probe import read_probe
from fullrank.runs.run import read_run
from tests.cli.test_errors import sentence

DATA = Path(__file__).parent / "data"
PACKED = {"last.ckpt": "checkpoints/last.ckpt", "encoder.safetensors": "encoder.safetensors"}


def unpacked(name: str, folder: Path) -> Path:
    """A copy of a run, whole again."""
    run = folder / name
    shutil.copytree(DATA / name, run)
    (run / "checkpoints").mkdir()
    for packed in run.glob("*.xz"):
        (run / PACKED[packed.stem]).write_bytes(lzma.decompress(packed.read_bytes()))
        packed.unlink()
    return run


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    """A run that reached its last step."""
    return unpacked("finished-0.1.0", tmp_path)


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A run that was killed after step 8 of 12."""
    return unpacked("killed-0.1.0", tmp_path)


def test_a_finished_run_is_read_under_the_names_of_today(finished: Path) -> None:
    with np.load(finished / "samples.npz") as file:
        former = dict(file)
    assert {"neighbours", "neighbour_labels"} <= set(former)
    read = read_run(finished)
    assert (read.fullrank, read.recipe, read.step, read.unreadable) == ("0.1.0", "dino", 12, 0)
    assert np.array_equal(read.samples.neighbors, former["neighbours"])  # type: ignore[arg-type]
    assert np.array_equal(read.samples.neighbor_labels, former["neighbour_labels"])  # type: ignore[arg-type]
    assert read.spectra is not None
    assert read.spectra.steps.tolist() == [0, 4, 8, 12]
    assert read.result is not None
    assert (read.result.state, read.result.kind) == ("degraded", "dimensional")


@pytest.mark.slow
def test_both_runs_are_reported(finished: Path, killed: Path) -> None:
    assert main(["report", str(finished)]) == 0
    assert read_run(finished).result.sentence in (finished / "report.html").read_text()  # type: ignore[union-attr]
    assert main(["report", str(finished), str(killed), "--out", str(killed / "both.html")]) == 0
    assert "killed-0.1.0" in (killed / "both.html").read_text()


@pytest.mark.slow
def test_a_finished_run_gets_the_scores_that_version_0_1_0_gave_it(finished: Path) -> None:
    assert main(["evaluate", str(finished)]) == 0
    scored = read_run(finished).result
    assert scored is not None
    assert scored.knn == pytest.approx(371 / 400, abs=1 / 400)  # another processor may rank one image otherwise
    # Version 0.1.0 chose the penalty on another fifth of the training images: three of the 400 are named otherwise.
    assert scored.linear["test"] == pytest.approx(392 / 400, abs=4 / 400)


@pytest.mark.slow
def test_a_killed_run_is_resumed_from_its_checkpoint_to_the_end(
    killed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "version 0.1.0 wrote none" in sentence(["diagnose", str(killed)], capsys)
    before = read_rows(killed / "metrics.jsonl")
    assert main(["train", "--resume", str(killed)]) == 0
    after = read_rows(killed / "metrics.jsonl")
    assert after[: len(before)] == before
    new = after[len(before) :]
    assert [(row["kind"], row["step"]) for row in new] == [("train", 10), ("train", 12), ("monitor", 12)]
    assert new[-1]["embedding"]["effective_rank"] == pytest.approx(5.440148, rel=1e-4)  # by version 0.1.0 itself
    assert read_json(killed / "result.json")["steps"] == 12
    assert read_probe(killed).step == 12
    assert main(["diagnose", str(killed), "--no-report"]) == 3  # 12 steps are too few
    assert "Over training, by" in capsys.readouterr().out
    assert main(["evaluate", str(killed)]) == 0
