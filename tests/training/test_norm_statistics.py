"""A training that begins from weights keeps the statistics of their batch norms, unless a flag says otherwise."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from rich.console import Console

import fullrank
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.nn import encoder, load_encoder
from fullrank.recipes import Recipe
from fullrank.recipes._start import Start
from fullrank.runs import read_json
from fullrank.training.dry_run import dry_run
from fullrank.training.fit import prepare
from tests.training.conftest import small, train
from tests.training.test_fit import test_stopping_and_resuming_changes_nothing as stopping_and_resuming_changes_nothing

__all__ = ["small", "train"]  # fixtures
Train = Callable[..., tuple[Path, bool]]
_OTHERS = ((None, "intl"), ("kept", "intl"), ("kept", "byol"), ("learned", "byol"))


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A file of the tiny encoder with statistics that no batch gives."""
    made = encoder("tiny", image_size=16, channels=1).model
    state = {name: value + 0.01 if "running" in name else value for name, value in made.state_dict().items()}
    torch.save(state, tmp_path / "weights.pth")
    return str(tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("asked", "recipe"),
    [(None, "byol"), ("learned", "intl"), *(pytest.param(*case, marks=pytest.mark.slow) for case in _OTHERS)],
)
def test_batch_norm_keeps_the_statistics_of_weights_unless_a_flag_says_otherwise(
    asked: Literal["kept", "learned"] | None, recipe: str, weights: str, train: Train, small: Recipe
) -> None:
    start = Start(weights=weights, norm_statistics=asked)
    shared = {field.name: getattr(small, field.name) for field in fields(Recipe)}
    run, _ = train("run", fullrank.recipes.load(recipe)(**shared | {"start": start, "steps": 3}), monitor_every=3)
    before = torch.load(weights, weights_only=True)
    after = load_encoder(run / "encoder.safetensors").encoder.model.state_dict()
    still = {name for name in before if torch.equal(before[name], after[name])}
    statistics = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert still == (statistics if asked != "learned" else set())  # scales and shifts learn either way
    config = read_json(run / "config.json")
    assert config["settings"]["norm_statistics"] == (asked or "kept")
    assert ("norm_statistics" in config["chosen"]) == (asked is None)


@pytest.mark.slow
def test_the_plan_says_that_statistics_are_kept_only_where_that_was_chosen(weights: str, small: Recipe) -> None:
    said = io.StringIO()
    for start in (Start(weights=weights), Start(weights=weights, norm_statistics="kept"), Start()):
        dry_run(replace(small, start=start), RunOptions(), Console(file=said, width=200))
    assert said.getvalue().count("--norm-statistics kept") == 1


def test_a_run_that_began_before_statistics_could_be_kept_goes_on_learning_them(weights: str, small: Recipe) -> None:
    old = replace(small, start=Start(weights=weights))
    silent = Console(file=io.StringIO())
    assert prepare(old, RunOptions(), silent, kept={}).method.encoder.frozen == ()
    assert len(prepare(old, RunOptions(), silent).method.encoder.frozen) == 3


@pytest.mark.slow
def test_kept_statistics_are_resumed_exactly(
    weights: str, train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(small, start=Start(weights=weights, stem="imagenet", norm_statistics="kept"))
    stopping_and_resuming_changes_nothing(train, recipe, monkeypatch)


@pytest.mark.parametrize("asked", ["kept", "learned"])
def test_a_network_without_batch_norm_has_no_statistics(asked: Literal["kept", "learned"]) -> None:
    recipe = fullrank.recipes.load("simclr")(data="digits", backbone="vit_tiny_patch16_224", image_size=16)
    with pytest.raises(UserError, match=rf"--norm-statistics {asked}: vit_tiny_patch16_224 has no batch norm: leave"):
        prepare(replace(recipe, start=Start(norm_statistics=asked)), RunOptions(), Console(file=io.StringIO()))
