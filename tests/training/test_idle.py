"""Settings that cannot act: every recipe says which, and Python names them as its arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import fullrank
from fullrank import recipes
from fullrank.data import DataOptions
from fullrank.engine.options import GIVEN
from fullrank.errors import UserError
from fullrank.recipes import settings, with_settings
from fullrank.training.step_plan import refuse_idle
from tests.training.test_every_flag_acts import another

PAIRS = [(name, flag) for name in ("intl", "spectral", "swav", "directclr") for flag in recipes.load(name)().acts_with]


@pytest.mark.parametrize("name", recipes.names())
def test_what_acts_with_what_are_settings_of_the_recipe(name: str) -> None:
    recipe = recipes.load(name)()
    assert {*recipe.acts_with, *(other for others in recipe.acts_with.values() for other in others)} <= {
        *settings(recipe)
    }
    refuse_idle(recipe, recipe)


@pytest.mark.parametrize(("name", "flag"), PAIRS)
def test_a_setting_is_refused_without_what_it_acts_with_and_taken_with_each(name: str, flag: str) -> None:
    start = recipes.load(name)()
    other = {"epochs": 3.0, "d0": 9}.get(flag, another(start, flag, flag) if flag not in ("epochs", "d0") else None)
    away: dict[str, Any] = {"epochs": {"steps": 2}, "iterations": {"transform": "zca"}, "d0": {"head": "mlp"}}
    changed = with_settings(start, {flag: other, **away.get(flag, {})})
    with pytest.raises(UserError, match=f"^{flag} (acts with .* only: leave it away, or pass|has no effect here)"):
        refuse_idle(changed, start, named=str)
    refuse_idle(changed, changed, named=str)  # which nobody has changed
    for needed, value in start.acts_with[flag].items():
        one = value[0] if isinstance(value, tuple) else value
        refuse_idle(with_settings(changed, {needed: 64 if one is GIVEN else one}), start)


def test_a_setting_that_is_put_back_to_its_default_is_taken() -> None:
    start = with_settings(recipes.load("intl")(), {"energy": 1.0, "energy_power": 1})
    refuse_idle(with_settings(start, {"energy": 0.0, "energy_power": 2}), start)
    with pytest.raises(UserError, match="--energy-power acts"):
        refuse_idle(with_settings(start, {"energy": 0.0, "energy_power": 0}), start)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"energy_power": 1}, "energy_power acts with energy only: leave it away, or pass energy."),
        ({"lars_trust": 0.1}, "lars_trust acts with optimizer='lars' only: leave it away, or pass optimizer='lars'."),
        ({"steps": 2, "epochs": 2.0}, "epochs acts with steps=None only: leave it away, or pass steps=None."),
        ({"pages": "all"}, "pages does not act on digits, only on folders of images and lists of images: leave it out"),
        ({"data": torch.zeros(9, 8, 8), "split": "train"}, "split does not act on Tensor, only on folders of images"),
        ({"data": [torch.zeros(1, 8, 8)] * 9, "classes": Path("x")}, "classes does not act on list, only on digits"),
    ],
)
def test_python_names_the_argument(flags: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        fullrank.train("intl", **({"data": "digits"} | flags), out=tmp_path / "run")
    assert said in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_how_the_data_of_a_run_were_read_is_not_refused_for_other_data() -> None:
    start = replace(recipes.load("intl")(), data="photos", reading=DataOptions(pages="first"))
    refuse_idle(replace(start, data="digits"), start)
    with pytest.raises(UserError, match="--pages does not act on digits"):
        refuse_idle(replace(start, data="digits", reading=DataOptions(pages="all")), start)
