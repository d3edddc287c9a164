"""`--crops`, from the flag to the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fullrank import recipes
from fullrank.cli import main
from fullrank.nn import encoder
from fullrank.recipes import Recipe
from fullrank.regularizers.w2 import W2
from fullrank.runs import read_json
from tests.training import test_fit

Train = Callable[..., tuple[Path, bool]]


@pytest.mark.parametrize("name", recipes.names())
def test_every_recipe_takes_many_views_of_many_sizes(name: str) -> None:
    recipe = recipes.load(name)(crops="2x16,12,8", projector=(32, 16))
    torch.manual_seed(0)
    method = recipe.build(encoder("tiny", image_size=16, channels=1))
    views = [torch.randn(24, 1, size, size) for size in recipe.view_sizes(16)]
    loss = method.loss(method(views))["loss"]
    loss.backward()
    assert bool(loss.isfinite())
    assert all(bool(p.grad.isfinite().all()) for p in method.encoder.parameters() if p.grad is not None)


@pytest.mark.slow
def test_multi_crop_is_resumed_exactly(train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    test_fit.test_stopping_and_resuming_changes_nothing(train, replace(small, crops="2x16,12,8"), monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("crops", [None, "2x16,12"])
def test_intl_with_a_teacher_is_resumed_exactly(
    train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch, crops: str | None
) -> None:
    changes: dict[str, Any] = {"teacher": 0.9, "crops": crops, "w2": W2(0.5)}
    test_fit.test_stopping_and_resuming_changes_nothing(train, replace(small, **changes), monkeypatch)


@pytest.mark.slow
def test_two_crops_of_the_image_size_are_the_default(train: Train, small: Recipe) -> None:
    plain, _ = train("plain", replace(small, steps=3))
    crops, _ = train("crops", replace(small, steps=3, crops="2x16"))
    assert (plain / "encoder.safetensors").read_bytes() == (crops / "encoder.safetensors").read_bytes()


@pytest.mark.slow
def test_smaller_crops_leave_the_image_size(train: Train, small: Recipe) -> None:
    run, _ = train("run", replace(small, steps=3, crops="12,8,8"))
    with np.load(run / "samples.npz") as samples:
        assert samples["views"].shape == (3, 8, 16, 16, 1)
        assert samples["neighbors"].shape[2:] == (16, 16, 1)


@pytest.mark.slow
def test_crops_of_a_folder_from_the_flag_to_the_score(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(24):
        (tmp_path / "photos" / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / "ab"[number % 2] / f"{number}.png")
    run = tmp_path / "run"
    flags = ["--data", str(tmp_path / "photos"), "--image-size", "32", "--crops", "2x32,20", "--batch-size", "8"]
    more = ["--steps", "2", "--probe", "16", "--workers", "0", "--projector", "32", "16", "--out", str(run)]
    assert main(["train", "vicreg", *flags, *more]) == 0
    assert read_json(run / "config.json")["settings"]["crops"] == "2x32,20"
    assert main(["evaluate", str(run)]) == 0
    assert read_json(run / "result.json")["knn"] is not None
    capsys.readouterr()


@pytest.mark.parametrize(
    ("crops", "sentence"),
    [
        ("16", "is one view: pass at least two, such as 2x16"),
        ("16,big", "cannot be read at 'big'"),
        ("16,0", "has no view at '0'"),
    ],
)
def test_crops_that_cannot_be_meant_leave_no_folder(
    crops: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "intl", "--data", "digits", "--crops", crops, "--out", str(run)]) == 2
    assert sentence in capsys.readouterr().err
    assert not run.exists()
