"""Flags that cannot act are refused in one sentence before anything is written, in a dry run too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fullrank.cli import main
from tests.cli.test_errors import sentence
from tests.data.files import by_class

TRAIN = ["--image-size", "16", "--batch-size", "8", "--backbone", "tiny", "--out", "run"]


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve photographs of two classes, and arrays."""
    monkeypatch.chdir(tmp_path)
    by_class(Path("photos"), "ab", 12)
    np.savez("some.npz", images=np.zeros((12, 8, 8), np.uint8))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("simclr --energy-power 1", "--energy-power acts with --energy only: leave it away, or pass --energy."),
        ("simclr --energy-power 0", "--energy-power acts with --energy only"),
        ("simclr --energy-angular", "--energy-angular acts with --energy only"),
        ("simclr --energy-half-space", "--energy-half-space acts with --energy only"),
        ("simclr --energy-on encoder", "--energy-on acts with --energy only"),
        ("simclr --lars-trust 0.1", "--lars-trust acts with --optimizer lars only: leave it away, or pass --optimizer"),
        ("simclr --uniform-on representation", "--uniform-on acts with --w2 or --w2-end or --uniformity only"),
        ("intl --steps 3 --epochs 2", "--epochs acts with --steps None only: leave it away, or pass --steps None."),
        ("intl --preset cifar10 --steps 3 --epochs 2", "--epochs acts with --steps None only"),
        ("spectral --power 0.3", "--power acts with --transform power only"),
        ("spectral --transform zca --iterations 5", "--iterations acts with --transform newton only"),
        ("swav --queue-from 2", "--queue-from acts with --queue only"),
        ("directclr --projector 64 32", "--projector has no effect here: leave it away."),
        ("directclr --head mlp --d0 9", "--d0 acts with --head first or random or low-rank only"),
        ("simclr --energy 1 --energy-on predictor", "--energy-on predictor names no network of this method that has"),
        ("directclr --energy 1 --energy-on projector", "method that has layers: pass encoder."),
        (
            "simclr --w2 1 --uniform-on prediction",
            "--uniform-on prediction has nothing to spread, as this",
        ),
        ("simclr --data digits --pages all", "--pages does not act on digits, only on folders of images and lists of"),
        ("simclr --data digits --data-root .", "--data-root does not act on digits, only on fashion-mnist and cifar10"),
        ("simclr --data digits --download", "--download does not act on digits, only on fashion-mnist and"),
        ("simclr --data photos --columns a", "--columns does not act on photos, only on hf:NAME: leave it out."),
        ("simclr --data some.npz --max-pixels 9", "--max-pixels does not act on some.npz, only on folders of images"),
        ("simclr --data some.npz --labels folders", "--labels folders does not act on some.npz, only on folders of"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry-run"], []])
def test_what_cannot_act_in_a_training_is_refused(
    flags: str, said: str, dry: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    name, *more = flags.split()
    data = [] if "--data" in more else ["--data", "digits"]
    assert said in sentence(["train", name, *TRAIN, *data, *more, *dry], capsys)
    assert not Path("run").exists()


@pytest.mark.parametrize(
    "flags",
    [
        "byol --data digits --energy 1 --energy-on predictor --energy-power 0",
        "byol --data digits --w2-end 1 --uniform-on prediction",
        "intl --data digits --preset cifar10 --steps 3",
        "intl --data digits --epochs 2 --optimizer lars --lars-trust 0.1",
        "simclr --data photos --pages all --max-pixels 999 --labels folders --split none --range 0,1 --max-corrupt 0.5",
        "simclr --data some.npz --labels none --split train --channels 1",
    ],
)
def test_what_acts_is_taken(flags: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", *flags.split(), *TRAIN, "--dry-run"]) == 0, capsys.readouterr().err


def test_steps_of_another_run_are_named_where_epochs_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--data", "digits", "--backbone", "tiny", "--batch-size", "32", "--probe", "40"]
    assert main(["train", "simclr", *flags, "--steps", "1", "--out", "first"]) == 0
    like = ["train", "simclr", "--like", "first", "--epochs", "2", "--dry-run"]
    assert "--epochs acts with --steps None only: leave it away, or pass --steps None." in sentence(like, capsys)
    assert main([*like, "--steps", "None"]) == 0


def test_an_experiment_refuses_what_does_not_act_on_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["paper", "hsr/energy", "--data", "digits", "--download", "--out", "run"]
    assert "--download does not act on digits" in sentence(command, capsys)
    assert not Path("run").exists()
