"""What a run folder keeps of the eigenvalues that were watched."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor

from fullrank import recipes
from fullrank.engine import RunOptions
from fullrank.engine.progress import Progress
from fullrank.errors import UserError
from fullrank.evaluation import knn_accuracy
from fullrank.losses import Terms, alignment
from fullrank.metrics import summarize
from fullrank.recipes import Recipe
from fullrank.recipes.invariance import Invariance
from fullrank.runs import read_json, read_rows
from fullrank.runs.probe import ProbeRows, read_probe
from fullrank.training.fit import resume

Train = Callable[..., tuple[Path, bool]]
WATCHED = {"backbone", "embedding", "covariance_of_view_1", "covariance_of_view_2"}


@pytest.fixture
def corinfomax(small: Recipe) -> Recipe:
    common = {field.name: getattr(small, field.name) for field in fields(Recipe)}
    recipe: Recipe = recipes.load("corinfomax")(**common)
    return recipe


@pytest.mark.slow
def test_the_running_covariances_are_watched_from_the_identity_on(train: Train, corinfomax: Recipe) -> None:
    run, _ = train("run", corinfomax)
    with np.load(run / "spectra.npz") as spectra:
        assert set(spectra.files) == {"steps", *WATCHED}
        history = spectra["covariance_of_view_1"]
    assert history.shape == (3, 32)
    assert history[0].tolist() == [1.0] * 32
    assert (history[1:].sum(1) <= 1).all()  # unit rows; what is left of the identity is 0.01 ** 6
    assert (np.diff(history, axis=1) <= 0).all()
    rows = [row for row in read_rows(run / "metrics.jsonl") if row["kind"] == "monitor"]
    assert all(row["embedding"]["ldmi"] > row["embedding"]["ldmi_by_chance"] for row in rows)


@pytest.mark.slow
def test_every_look_keeps_its_rows_before_it_is_shown(
    train: Train, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[tuple[dict[str, Any], ProbeRows]] = []

    def look(self: Progress, row: dict[str, Any]) -> None:
        if row["kind"] == "monitor":
            looks.append((row, read_probe(tmp_path / "run")))

    monkeypatch.setattr(Progress, "show", look)
    train("run", small)
    assert [kept.step for _, kept in looks] == [row["step"] for row, _ in looks] == [0, 6, 12]
    for row, kept in looks:
        assert (kept.backbone.shape, kept.embedding.shape, len(kept.classes)) == ((200, 512), (200, 32), 10)
        for place, z in (("backbone", kept.backbone), ("embedding", kept.embedding)):
            numbers = summarize(torch.from_numpy(z))
            assert {name: row[place][name] for name in numbers} == numbers
        assert kept.labels is not None
        h, labels = torch.from_numpy(kept.backbone), torch.from_numpy(kept.labels)
        assert row["knn"] == knn_accuracy(h[50:], labels[50:], h[:50], labels[:50])


@pytest.mark.slow
def test_what_an_older_version_did_not_watch_is_unknown_after_a_resume(
    train: Train, corinfomax: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: Progress, row: dict[str, Any]) -> None:
        if row["kind"] == "monitor" and row["step"] == 6:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "show", interrupt)
        run, _ = train("run", corinfomax)
    before = dict(np.load(run / "spectra.npz"))
    np.savez(run / "spectra.npz", **{name: before[name] for name in ("steps", "backbone", "embedding")})
    options = recipes.from_settings(RunOptions, read_json(run / "config.json")["run"])
    assert resume(run, corinfomax, options, Console(file=io.StringIO()))
    with np.load(run / "spectra.npz") as after:
        assert set(after.files) == {"steps", *WATCHED}
        assert np.array_equal(after["backbone"][:2], before["backbone"])
        assert np.isnan(after["covariance_of_view_1"][:2]).all()
        assert np.isfinite(after["covariance_of_view_1"][2]).all()


class Broken(Invariance):
    """A loss that is NaN from step 6 on, and beside it a term that has no part in it and is infinite."""

    step = 0  # the last that was asked about

    def objective(self) -> Callable[[Tensor], Terms]:
        def loss(z: Tensor) -> Terms:
            terms = alignment(z)
            broken = terms["loss"] * (torch.nan if Broken.step >= 5 else 1.0)
            return {**terms, "loss": broken, "beside": torch.tensor(torch.inf)}

        return loss


@pytest.mark.parametrize(("monitor_every", "rows"), [(20, 1), (3, 3)])
def test_what_is_not_finite_ends_a_training_on_a_gpu_before_a_row_of_it(
    monitor_every: int, rows: int, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GPU is asked before steps 0, 10 and 20 alone, and the row of step 10 is written after the tenth."""

    def as_on_a_gpu(device: torch.device, step: int) -> bool:
        monkeypatch.setattr(Broken, "step", step)
        return step % 10 == 0

    monkeypatch.setattr("fullrank.training.module.is_time", as_on_a_gpu)
    recipe = Broken(data="digits", image_size=8, batch_size=16, steps=12, projector=(8,), lr=0.01, warmup_epochs=0.0)
    with pytest.raises(UserError, match=r"The loss is not finite at step 6 \(.*loss nan, beside inf\): lower --lr"):
        train("run", recipe, monitor_every=monitor_every, checkpoint_every=99, probe=16)
    kept = read_rows(tmp_path / "run" / "metrics.jsonl")
    assert [row["step"] for row in kept] == [0, 3, 6][:rows]


def test_a_term_beside_the_loss_may_be_infinite_and_is_unknown_then(train: Train) -> None:
    recipe = Broken(data="digits", image_size=8, batch_size=16, steps=1, projector=(8,), lr=0.01, warmup_epochs=0.0)
    run, _ = train("run", recipe, probe=16)
    (row,) = (row for row in read_rows(run / "metrics.jsonl") if row["kind"] == "train")
    assert row["loss"] > 0
    assert row["terms"]["beside"] is None
