"""Every setting of every recipe changes what is optimized, or stands here with what it needs to be seen.

A recipe's new setting is tried the moment it exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Any, get_args, get_type_hints

import pytest
from torch import Tensor

from fullrank import recipes
from fullrank.losses import Terms, infonce
from fullrank.recipes import Recipe, settings, with_settings
from tests.training.steps import differ, trained

SHORT: dict[str, Any] = {
    "batch_size": 32,
    "steps": 3,
    "projector": (24, 12),
    "lr": 0.01,
    "warmup_epochs": 0.0,
    "image_size": 8,
}
# What another setting must be for this one to act, or to act in three steps.
NEEDS: dict[str, dict[str, Any]] = {
    "spectral.power": {"transform": "power"},
    "w_mse.iterations": {"size": 8},
    "moco.queue": {"queue": 64},
    "nnclr.queue": {"queue": 64},
    "lars_trust": {"optimizer": "lars"},
    "uniform_on": {"w2": 1.0},
    "w2_end": {"w2": 1.0, "steps": 50},
    **{f"energy_{name}": {"energy": 1.0} for name in ("power", "angular", "half_space", "on")},
    "layer_decay": {"layer_decay": 0.5},
    "steps": {"steps": 3},
    "warmup_epochs": {"steps": 6},
    "weight_decay_end": {"weight_decay": 0.1},
    "clip_each": {"clip_gradients": 0.01},
}
# The value to try, where half of it, one more or another choice would not do.
OTHER: dict[str, Any] = {
    "dcl.sigma": 0.5,
    "directclr.d0": 100,
    "directclr.head": "random",
    "intl.beta": 0.5,
    "intl.teacher": 0.9,
    "mec.order": 2,
    "moco.queue": 128,
    "nnclr.queue": 128,
    "w_mse.size": 16,
    "cw_rgp.size": 16,
    "cw_rgp.groups": 2,
    "w2_end": 0.0,
    "weight_decay_end": 0.5,
    "clip_gradients": 0.01,
    "energy_on": ("encoder",),
    "energy_power": 1,
    "uniform_on": "representation",
    "crops": "2x8,8",
    "views": "gray",
    "backbone": "resnet10t",
    "image_size": 12,
    "stem": "imagenet",
    "freeze": 1,
    "norm_statistics": "kept",
    "layer_decay": 0.9,
    "batch_size": 40,
    "epochs": None,
}
ELSEWHERE = {  # setting -> the test that shows what it does
    "data": "tests/data/test_load.py",
    "data_root": "tests/data/test_load.py",
    "max_corrupt": "tests/data/test_folder.py",
    "split": "tests/data/test_layout.py",
    "labels": "tests/data/test_layout.py",
    "classes": "tests/data/test_layout.py",
    "columns": "tests/data/test_objects.py",
    "download": "tests/data/test_objects.py",
    "channels": "tests/data/test_pixels.py",
    "range": "tests/data/test_pixels.py",
    "pages": "tests/data/test_pixels.py",
    "max_pixels": "tests/data/test_pixels.py",
    "weights": "tests/training/test_begin.py",
    "normalize": "tests/training/test_begin.py",
    "stem": "tests/training/test_begin.py",
    "epochs": "tests/training/test_choose.py",
}


def small(name: str, **changes: Any) -> Recipe:
    """A recipe that three steps on digits suffice for; unlike its own default where that is larger."""
    kind = recipes.load(name)
    known = settings(kind())
    short = {key: value for key, value in SHORT.items() if key in known}
    sizes = {"size": 32, "prototypes": 20, "queue": 64, "slices": 16, "d0": 90}
    tiny = {key: sizes[key] for key in known if key in sizes and known[key] is not None}
    return with_settings(kind(), {**short, **tiny, **changes})


@cache
def baseline(name: str, needs: str) -> list[Tensor]:
    return trained(small(name, **NEEDS.get(needs, {})))


def own(name: str) -> list[str]:
    shared = {field.name for field in fields(Recipe)}
    return [field.name for field in fields(recipes.load(name)) if field.name not in shared]


def another(recipe: Recipe, flag: str, key: str) -> Any:
    """A value that a setting does not have."""
    if key in OTHER:
        return OTHER[key]
    value, hint = settings(recipe)[flag], get_type_hints(type(recipe)).get(flag)
    if isinstance(value, bool):
        return not value
    if choices := [choice for choice in get_args(hint) if isinstance(choice, str)]:
        return next(choice for choice in choices if choice != value)
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return 0.6 * value + 0.07
    if isinstance(value, tuple):
        return (*value[:-1], value[-1] + 4)
    raise AssertionError(f"{key}: put another value into OTHER")


OWN = [(name, flag) for name in recipes.names() for flag in own(name)]
SHARED = [flag for flag in settings(Recipe()) if flag not in ELSEWHERE]


@pytest.mark.parametrize(("name", "flag"), OWN)
def test_every_setting_of_a_recipe_changes_what_is_optimized(name: str, flag: str) -> None:
    key = f"{name}.{flag}"
    needs = key if key in NEEDS else flag
    recipe = small(name, **NEEDS.get(needs, {}))
    changed = with_settings(recipe, {flag: another(recipe, flag, key)})
    assert differ(baseline(name, needs if needs in NEEDS else ""), trained(changed))


@dataclass(frozen=True, kw_only=True)
class Deaf(Recipe):
    """A recipe that ignores its temperature."""

    temperature: float = 0.2

    def objective(self) -> Callable[[Tensor], Terms]:
        """InfoNCE, at its own temperature."""
        return infonce


@pytest.mark.slow
def test_a_setting_that_is_ignored_is_found() -> None:
    recipe = Deaf(**SHORT)
    assert not differ(trained(recipe), trained(with_settings(recipe, {"temperature": 0.5})))
    assert differ(trained(recipe), trained(with_settings(recipe, {"lr": 0.02})))


@pytest.mark.parametrize("flag", SHARED)
def test_every_shared_setting_changes_what_is_optimized(flag: str) -> None:
    recipe = small("byol", **NEEDS.get(flag, {}))
    changed = with_settings(recipe, {flag: another(recipe, flag, flag)})
    assert differ(baseline("byol", flag if flag in NEEDS else ""), trained(changed))
