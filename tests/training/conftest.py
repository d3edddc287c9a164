from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fullrank import recipes
from fullrank.engine import RunOptions
from fullrank.recipes import Recipe
from fullrank.training.fit import start


@pytest.fixture
def small() -> Recipe:
    """INTL on digits, a few steps of a second each."""
    recipe: Recipe = recipes.load("intl")(
        data="digits", image_size=16, batch_size=64, steps=12, projector=(64, 32), warmup_epochs=0.1
    )
    return recipe


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., tuple[Path, bool]]:
    """Train a recipe into a new folder of the test, with changed options; (run, finished)."""

    def call(name: str, recipe: Recipe, **options: Any) -> tuple[Path, bool]:
        usual = RunOptions(out=tmp_path / name, monitor_every=6, checkpoint_every=5, probe=200)
        run, ending = start("intl", recipe, replace(usual, **options), Console(file=io.StringIO()))
        return run, bool(ending)

    return call
