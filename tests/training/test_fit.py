from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from fullrank import recipes
from fullrank.diagnosis.training import judge_run, looks_of, profile_of
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.optimizers import warmup_cosine
from fullrank.engine.progress import Progress
from fullrank.errors import UserError
from fullrank.nn import load_encoder
from fullrank.recipes import Recipe
from fullrank.regularizers.w2 import W2
from fullrank.runs import read_json, read_rows
from fullrank.runs.probe import read_probe
from fullrank.training.fit import resume
from tests.a_few import one_in

Train = Callable[..., tuple[Path, bool]]


def rows(run: Path) -> list[dict[str, Any]]:
    """What was measured, without how long it took."""
    times = ("seconds", "images_per_second")
    return [{name: row[name] for name in row if name not in times} for row in read_rows(run / "metrics.jsonl")]


@pytest.mark.slow
def test_a_run_is_a_folder(train: Train, small: Recipe) -> None:
    run, finished = train("run", small)
    assert finished
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json", "env.json", "metrics.jsonl", "spectra.npz", "samples.npz", "probe.npz",
        "result.json", "encoder.safetensors", "checkpoints",
    }  # fmt: skip
    assert [path.name for path in (run / "checkpoints").iterdir()] == ["last.ckpt"]
    config, result = read_json(run / "config.json"), read_json(run / "result.json")
    assert (config["recipe"], config["settings"]["steps"], config["settings"]["projector"]) == ("intl", 12, [64, 32])
    assert (result["steps"], result["seed"]) == (12, 0)
    assert result["collapse"]["embedding"]["dims"] == 32
    monitored = [row for row in rows(run) if row["kind"] == "monitor"]
    assert [row["step"] for row in monitored] == [0, 6, 12]
    assert all(0 <= row["knn"] <= 1 for row in monitored)
    trained = [row for row in rows(run) if row["kind"] == "train"]
    assert [row["step"] for row in trained] == [10, 12]
    with np.load(run / "spectra.npz") as spectra:
        assert spectra["steps"].tolist() == [0, 6, 12]
        assert spectra["embedding"].shape == (3, 32)
    with np.load(run / "samples.npz") as samples:
        assert samples["views"].shape == (2, 8, 16, 16, 1)


@pytest.mark.slow
def test_what_is_logged_is_what_is_optimized(train: Train, small: Recipe) -> None:
    run, _ = train("run", small)
    row = [row for row in rows(run) if row["kind"] == "train"][-1]
    assert row["lr"] == pytest.approx(0.005 * warmup_cosine(11, total=12, warmup=2))  # of the step it is about
    beta = 0.03  # the rule 0.01 (log2(64) - 3) at a batch of 64
    assert row["loss"] == pytest.approx(row["terms"]["similarity"] + beta * row["terms"]["trace"], rel=1e-5)


@pytest.mark.slow
def test_the_saved_encoder_is_the_trained_one(train: Train, small: Recipe) -> None:
    run, _ = train("run", small)
    saved = load_encoder(run / "encoder.safetensors")
    state = torch.load(last_checkpoint(run), weights_only=True)["state_dict"]
    for name, value in saved.encoder.state_dict().items():
        assert torch.equal(value, state[f"method.encoder.{name}"]), name
    assert saved(torch.zeros(3, 1, 16, 16, dtype=torch.uint8)).shape == (3, 512)


@pytest.mark.slow
@pytest.mark.on_device
def test_stopping_and_resuming_changes_nothing(train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """k steps, Ctrl-C, k steps equal 2 k steps bit for bit on a CPU, and to rounding on a GPU."""
    whole, _ = train("whole", small)
    show = Progress.show

    def interrupt(self: Progress, row: dict[str, Any]) -> None:
        show(self, row)
        if row["kind"] == "monitor" and row["step"] == 6:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "show", interrupt)
        halves, finished = train("halves", small)
    assert not finished
    assert not (halves / "result.json").exists()
    assert read_probe(halves).step == 6
    assert torch.load(last_checkpoint(halves), weights_only=True)["global_step"] == 6
    config = read_json(halves / "config.json")
    assert resume(halves, small, _options(config), Console(file=io.StringIO()))
    if torch.cuda.is_available():  # by --device cuda
        states = [torch.load(last_checkpoint(run), weights_only=True)["state_dict"] for run in (halves, whole)]
        torch.testing.assert_close(states[0], states[1], rtol=1e-2, atol=1e-3)
        return
    assert (halves / "encoder.safetensors").read_bytes() == (whole / "encoder.safetensors").read_bytes()
    assert _same_state(last_checkpoint(halves), last_checkpoint(whole))
    assert rows(halves) == rows(whole)
    with np.load(halves / "spectra.npz") as ours, np.load(whole / "spectra.npz") as theirs:
        assert set(ours.files) == set(theirs.files) >= {"steps", "backbone", "embedding"}
        assert all(np.array_equal(ours[name], theirs[name]) for name in ours.files)
    assert np.array_equal(read_probe(halves).embedding, read_probe(whole).embedding)


def _options(config: dict[str, Any]) -> Any:
    from fullrank.engine import RunOptions
    from fullrank.recipes import from_settings

    return from_settings(RunOptions, config["run"])


def _same_state(a: Path, b: Path) -> bool:
    first, second = (torch.load(path, weights_only=True) for path in (a, b))
    flat = [
        torch.utils._pytree.tree_leaves([state["state_dict"], state["optimizer_states"]]) for state in (first, second)
    ]
    pairs = zip(*flat, strict=True)
    return all(torch.equal(x, y) if isinstance(x, torch.Tensor) else x == y for x, y in pairs)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_seed_another(train: Train, small: Recipe) -> None:
    torch.manual_seed(1)
    first, _ = train("first", small)
    torch.manual_seed(2)  # the state of the caller neither matters nor moves
    before = torch.random.get_rng_state()
    second, _ = train("second", small)
    assert torch.equal(before, torch.random.get_rng_state())
    other, _ = train("other", replace(small, seed=1))
    content = [(run / "encoder.safetensors").read_bytes() for run in (first, second, other)]
    assert content[0] == content[1]
    assert content[0] != content[2]


@pytest.mark.slow
def test_dropout_is_resumed_exactly(train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network's own random numbers are a function of the step too."""
    from torch import nn

    import fullrank.nn

    def with_dropout(width: int, widths: tuple[int, ...]) -> nn.Sequential:
        return nn.Sequential(nn.Dropout(0.5), nn.Linear(width, widths[-1]))

    monkeypatch.setattr(fullrank.nn, "mlp", with_dropout)
    test_stopping_and_resuming_changes_nothing(train, small, monkeypatch)


@pytest.mark.slow
def test_an_accumulating_training_is_resumed_exactly(
    train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    test_stopping_and_resuming_changes_nothing(partial(train, accumulate=2), small, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["byol", "corinfomax", "dino", "moco", "moco_v3", "nnclr", "simdino", "simsiam", "swav"]
)
def test_teachers_and_queues_are_resumed_exactly(
    train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    test_stopping_and_resuming_changes_nothing(train, _recipe(name, small, w2=W2(0.5, w2_end=0.0)), monkeypatch)


@pytest.mark.parametrize("lr", [1e12])
def test_a_loss_that_is_not_finite_stops_the_run_and_says_what_to_try(train: Train, small: Recipe, lr: float) -> None:
    vicreg = _recipe("vicreg", small, optimizer="sgd", lr=lr, warmup_epochs=0.0)
    with pytest.raises(UserError, match=r"is not finite at step \d+ \(.*\): lower --lr"):
        train("run", vicreg)


def _recipe(name: str, like: Recipe, **changes: Any) -> Recipe:
    from dataclasses import fields

    common = {field.name: getattr(like, field.name) for field in fields(Recipe)}
    recipe: Recipe = recipes.load(name)(**(common | changes))
    return recipe


@pytest.mark.parametrize("name", one_in(8, recipes.names()))
def test_every_recipe_trains(train: Train, small: Recipe, name: str) -> None:
    run, finished = train(name, _recipe(name, small, steps=4))
    assert finished
    assert np.isfinite([row["loss"] for row in rows(run) if row["kind"] == "train"]).all()


@pytest.mark.parametrize("optimizer", ["sgd", "lars"])
@pytest.mark.slow
def test_every_optimizer_trains(train: Train, small: Recipe, optimizer: Any) -> None:
    run, _ = train(optimizer, replace(small, optimizer=optimizer, lr=0.05, steps=4))
    assert (run / "result.json").exists()


@pytest.mark.slow
def test_a_step_of_lars_moves_a_weight_by_the_share_that_the_flag_says(train: Train, small: Recipe) -> None:
    """One step at a peak learning rate of 0.5: half the trust."""
    one = replace(small, optimizer="lars", lr=0.5, lars_trust=0.02, weight_decay=0.0, steps=1, warmup_epochs=0.0)
    moved, _ = train("moved", one)
    still, _ = train("still", replace(one, lars_trust=1e-9))
    after, before = (
        torch.load(last_checkpoint(run), weights_only=True)["state_dict"]["method.projector.0.weight"]
        for run in (moved, still)
    )
    assert float((after - before).norm() / before.norm()) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.slow
def test_accumulated_batches_make_one_step(train: Train, small: Recipe) -> None:
    run, _ = train("run", replace(small, steps=4), accumulate=3)
    state = torch.load(last_checkpoint(run), weights_only=True)
    assert state["global_step"] == 4
    steps_per_epoch = 1397 // 64
    last = [row for row in rows(run) if row["kind"] == "train"][-1]
    assert (last["step"], last["epoch"]) == (4, round(12 / steps_per_epoch, 4))


@pytest.mark.slow
def test_tensorboard_writes_into_the_run(train: Train, small: Recipe) -> None:
    run, _ = train("run", replace(small, steps=4), logger="tensorboard")
    assert list((run / "tensorboard").glob("events.out.tfevents.*"))


@pytest.mark.slow
def test_csv_writes_into_the_run(train: Train, small: Recipe) -> None:
    run, _ = train("run", replace(small, steps=4), logger="csv")
    head, *rows = (run / "csv" / "metrics.csv").read_text(encoding="utf-8").splitlines()
    assert "loss" in head.split(",")
    assert rows


@pytest.mark.slow
def test_a_run_killed_between_its_last_step_and_its_result_is_finished(train: Train, small: Recipe) -> None:
    run, _ = train("run", small)
    encoder, result = (run / "encoder.safetensors").read_bytes(), read_json(run / "result.json")
    for name in ("encoder.safetensors", "result.json"):
        (run / name).unlink()
    assert resume(run, small, _options(read_json(run / "config.json")), Console(file=io.StringIO()))
    assert (run / "encoder.safetensors").read_bytes() == encoder
    assert read_json(run / "result.json")["collapse"] == result["collapse"]


@pytest.mark.slow
def test_a_finished_run_is_not_resumed_and_one_without_a_checkpoint_begins(train: Train, small: Recipe) -> None:
    run, _ = train("run", replace(small, steps=2))
    console, options = Console(file=io.StringIO()), _options(read_json(run / "config.json"))
    with pytest.raises(UserError, match="is finished"):
        resume(run, small, options, console)
    encoder = (run / "encoder.safetensors").read_bytes()
    for name in ("encoder.safetensors", "result.json", "checkpoints/last.ckpt"):
        (run / name).unlink()
    assert resume(run, replace(small, steps=2), options, console)
    assert (run / "encoder.safetensors").read_bytes() == encoder


@pytest.mark.slow
def test_the_demo_tells_collapse_from_none(train: Train, small: Recipe) -> None:
    """End to end: alignment alone goes to a point, INTL does not, all else alike."""
    settings: dict[str, Any] = {"steps": 120, "batch_size": 128}
    collapsed, _ = train("invariance", _recipe("invariance", small, **settings), monitor_every=60)
    spread, _ = train("intl", replace(small, **settings), monitor_every=60)
    bad, good = (read_json(run / "result.json") for run in (collapsed, spread))
    assert (bad["verdict"]["state"], bad["verdict"]["kind"]) == ("collapsed", "complete")
    assert good["verdict"]["state"] == "early"  # 120 steps are too few to call it anything else
    for run, written in ((collapsed, bad), (spread, good)):  # the end of the training says what `diagnose RUN` says
        profile = profile_of(read_json(run / "config.json")["recipe"])
        told, _ = judge_run(read_probe(run), looks_of(read_rows(run / "metrics.jsonl")), profile=profile, source="run")
        judged = (told.where, told.verdict.state, told.verdict.kind, told.sentence)
        assert tuple(written["verdict"][name] for name in ("where", "state", "kind", "sentence")) == judged
    assert json.dumps(good)  # what was written is JSON
    assert 0.9 < good["probe_baselines"]["pixels"] < 1.0  # digits are easy
    assert good["probe_baselines"]["untrained"] == bad["probe_baselines"]["untrained"] > 0.8
    assert bad["collapse"]["embedding"]["mean_cosine"] > 0.99
    assert good["collapse"]["embedding"]["mean_cosine"] < 0.5
    assert good["collapse"]["embedding"]["effective_rank"] > 5 * bad["collapse"]["embedding"]["effective_rank"]
