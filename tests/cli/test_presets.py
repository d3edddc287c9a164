"""`fullrank train RECIPE --preset NAME`: flags win over the preset, the preset over the recipe's defaults."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torchvision

from fullrank.cli import main


class StandIn:
    """40 images in the shape of torchvision's CIFAR-10."""

    classes = ("cat", "dog")

    def __init__(self, _root: Path, train: bool, download: bool) -> None:
        assert not download
        self.data = np.random.default_rng(int(train)).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)
        self.targets = [0, 1] * 20


@pytest.mark.slow
def test_a_training_from_a_preset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torchvision.datasets, "CIFAR10", StandIn)
    monkeypatch.chdir(tmp_path)
    small = ["--backbone", "tiny", "--projector", "16", "8", "--batch-size", "8", "--steps", "1", "--probe", "20"]
    flags = ["--data-root", "data", *small, "--out", "run"]
    assert main(["train", "intl", *flags, "--preset", "cifar10", "--lr", "0.2"]) == 0
    said = capsys.readouterr().out
    assert "Preset cifar10: the authors' code (winci-ai/INTL" in said
    assert "- The code decays the weights of all parameters; here biases and norms get no weight decay." in said
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["preset"] == "cifar10"
    settings = config["settings"]
    assert (settings["lr"], settings["batch_size"], settings["projector"]) == (0.2, 8, [16, 8])  # flags
    assert (settings["data"], settings["views"], settings["epochs"]) == (
        "cifar10",
        "cifar-asymmetric",
        1000.0,
    )  # preset
    assert (settings["optimizer"], settings["weight_decay"], settings["warmup_epochs"]) == ("sgd", 1e-4, 2.0)
    assert (settings["beta"], settings["w2"], settings["seed"]) == (None, 0.0, 0)  # defaults
    capsys.readouterr()
    assert main(["train", "--resume", "run"]) == 2
    assert "run is finished" in capsys.readouterr().err  # its config.json was understood


@pytest.mark.slow
def test_a_training_without_a_preset_notes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    flags = ["--data", "digits", "--image-size", "16", "--steps", "1", "--batch-size", "8", "--probe", "20"]
    assert main(["train", "intl", *flags, "--out", "run"]) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["preset"] is None
    assert (config["settings"]["lr"], config["settings"]["projector"]) == (5e-3, [512, 256])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--preset", "cifar11"], "intl has no preset 'cifar11': did you mean cifar10?"),
        (["--preset", "imagenet"], "pass --data with the folder of ImageNet's training images"),
        (["--preset", "imagenet-100", "--lr", "1"], "pass --data with the folder of ImageNet-100's training images"),
        (["--preset", "imagenet", "--data", "nowhere"], "nowhere is neither a built-in data set nor an existing path"),
        (["--preset", "cifar10"], "cifar10 needs a folder to be read from or downloaded to: pass --data-root"),
    ],
)
def test_errors(
    flags: list[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "intl", *flags]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_help_names_the_presets_and_shows_their_values(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "directclr", "--preset", "imagenet", "--help"])
    assert stopped.value.code == 0
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "--preset STR Start from published settings: imagenet, imagenet-mlp," in said
    assert "(default: 4.8)" in said
    assert main(["train"]) == 0
    assert "--preset NAME" in capsys.readouterr().out
