"""What `fullrank.train` is given from Python is of the kind and among the choices that a flag has, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fullrank
from fullrank import recipes
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.recipes import as_declared, settings, with_settings
from fullrank.runs import read_json


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"optimizer": "adam"}, "optimizer='adam' is not what it can be: did you mean adamw?"),
        ({"on_collapse": "Stop"}, "on_collapse='Stop' is not what it can be: did you mean stop?"),
        ({"norm_statistics": "keep"}, "norm_statistics='keep' is not what it can be: did you mean kept?"),
        ({"normalize": "mean"}, "normalize='mean' is not what it can be: pass 'imagenet' or 'half' or 'data' or None."),
        ({"lr": "0.1"}, "lr='0.1' is not what it can be: pass a number or None."),
        ({"batch_size": 64.0}, "batch_size=64.0 is not what it can be: pass a whole number or None."),
        ({"steps": 10.5}, "steps=10.5 is not what it can be"),
        ({"epochs": True}, "epochs=True is not what it can be"),
        ({"seed": 1.5}, "seed=1.5 is not what it can be: pass a whole number."),
        ({"w2": "0.5"}, "w2='0.5' is not what it can be: pass a number."),
        ({"precision": "bf16"}, "precision='bf16' is not what it can be: pass 'auto' or '32-true' or 'bf16-mixed' or"),
        ({"projector": 32}, "projector=32 is not what it can be: pass a list, each of it a whole number."),
        ({"projector": ["32"]}, "projector=['32'] is not what it can be"),
        ({"logger": "TensorBoard"}, "logger='TensorBoard' is not what it can be: did you mean tensorboard?"),
        ({"compile": "no"}, "compile='no' is not what it can be: pass True or False."),
        ({"data_root": 5}, "data_root=5 is not what it can be: pass a path or None."),
        ({"options": RunOptions(probe="9")}, "probe='9' is not what it can be"),  # type: ignore[arg-type]
    ],
)
def test_what_a_flag_cannot_be_is_a_sentence_without_a_folder(flags: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as raised:
        fullrank.train("simclr", data="digits", out=tmp_path / "run", **({"steps": 1} | flags))
    assert said in str(raised.value)
    assert not (tmp_path / "run").exists()


def test_a_recipe_with_a_setting_that_it_cannot_have_is_not_trained(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"optimizer='adam' is not what it can be"):
        fullrank.train(with_settings(recipes.load("simclr")(), {"optimizer": "adam"}), out=tmp_path / "run")


@pytest.mark.parametrize(
    ("flag", "given", "taken"),
    [
        ("projector", [32, 16], (32, 16)),
        ("lr", 1, 1),
        ("lr", np.float32(0.5), 0.5),
        ("batch_size", np.int64(64), 64),
        ("weights", Path("w.pth"), "w.pth"),
        ("data", [Path("a"), "b"], ("a", "b")),
        ("data_root", "sets", Path("sets")),
        ("epochs", None, None),
        ("clip_each", np.bool_(True), True),
    ],
)
def test_what_means_the_same_is_taken(flag: str, given: Any, taken: Any) -> None:
    made = settings(as_declared(with_settings(recipes.load("simclr")(), {flag: given})))[flag]
    assert made == taken
    assert type(made) is type(taken)


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_is_as_it_declares(name: str) -> None:
    recipe = recipes.load(name)()
    assert as_declared(recipe) == recipe


def test_numbers_of_numpy_and_lists_train_and_are_kept(tmp_path: Path) -> None:
    numbers = {"batch_size": np.int64(16), "lr": np.float64(0.01), "steps": np.int32(1)}
    flags: dict[str, Any] = {**numbers, "projector": [8], "probe": 16}
    run = fullrank.train("simclr", data="digits", image_size=8, out=str(tmp_path / "run"), **flags)
    kept = read_json(run.path / "config.json")["settings"]
    assert (kept["batch_size"], kept["lr"], kept["projector"], kept["steps"]) == (16, 0.01, [8], 1)
