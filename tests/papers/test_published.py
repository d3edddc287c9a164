"""The published numbers: each has its commands, which name what there is, and an estimate that can be checked."""

from __future__ import annotations

import shlex
from collections import Counter

import pytest
import timm
import torch
from torch.utils.flop_counter import FlopCounterMode

from fullrank.cli import main
from fullrank.nn import encoder
from fullrank.papers.published import MULTIPLICATIONS, Number, gpu_hours, listing, numbers
from fullrank.recipes.presets import presets
from fullrank.transfer.protocols import protocol
from tests.cli.test_printed_commands import understood


def test_the_numbers_of_a_paper_are_all_there() -> None:
    assert Counter(number.paper for number in numbers()) == {"intl": 16, "corinfomax": 10, "directclr": 9, "w2": 32}


@pytest.mark.parametrize("number", numbers(), ids=lambda number: f"{number.paper}: {number.what}")
def test_a_number_has_commands_or_says_why_not(number: Number, monkeypatch: pytest.MonkeyPatch) -> None:
    if number.preset is None:
        assert number.note
        assert number.commands() == []
        return
    recipe, name = number.preset.split("/")
    train, then = number.commands()
    assert f"train {recipe} --preset {name} " in train
    assert then.split()[1] in ("evaluate", "finetune", "detect")
    for line in (train, then):
        assert understood(shlex.split(line)[1:], monkeypatch), line
    reported = presets(recipe)[name].reported
    if number.then == "evaluate" and reported and number.what.endswith("linear top-1"):
        assert number.value in reported  # a number stands twice, here and beside its preset


@pytest.mark.parametrize("number", [each for each in numbers() if (each.then or "").startswith("evaluate")])
def test_the_protocol_of_a_number_measures_it_as_its_paper_does(number: Number) -> None:
    assert number.preset is not None
    settings = presets(number.preset.split("/")[0])[number.preset.split("/")[1]].settings
    size = settings["image_size"].value if "image_size" in settings else 224
    by = protocol(number.commands()[1].rpartition(" ")[2], image_size=size)
    assert by.knn if "-NN" in number.what else by.linear
    multicrop = {"views", "crops"} & settings.keys() and "six crops" in number.what
    assert by.name.endswith("-multicrop") == bool(multicrop)
    large = number.what.startswith("ImageNet, ")
    assert (by.name == "corinfomax/imagenet") == (number.paper == "corinfomax" and large)


def test_a_sub_vector_is_scored_by_our_probes() -> None:
    (sub_vector,) = [number for number in numbers() if "sub-vector" in number.what]
    assert sub_vector.commands()[1] == "fullrank evaluate RUN"


@pytest.mark.parametrize(("network", "small"), MULTIPLICATIONS)
def test_the_multiplications_are_those_that_torch_counts(network: str, small: bool) -> None:
    expected, side = MULTIPLICATIONS[network, small]
    with torch.device("meta"):
        model = encoder(network, image_size=side)
        with FlopCounterMode(display=False) as counted:
            model(torch.empty(1, 3, side, side))
    assert counted.get_total_flops() / 2 == pytest.approx(expected, rel=0.03)
    assert timm.is_model(network)


def test_hours_grow_with_epochs_and_with_crops() -> None:
    assert gpu_hours("intl", "imagenet-multicrop-800") == pytest.approx(8 * gpu_hours("intl", "imagenet-multicrop"))
    views = sum((size / 224) ** 2 for size in (224, 224, 192, 160, 128, 96)) / 2
    assert gpu_hours("intl", "imagenet-multicrop-800") == pytest.approx(views * gpu_hours("intl", "imagenet"))


@pytest.mark.slow
def test_the_listing_says_how_hours_are_estimated(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper", "--published"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("The numbers that the five papers publish")
    assert "ImageNet, DirectCLR, linear top-1: 62.7 (tables 1 and 2)" in said
    assert "needs ImageNet, about 35 GPU hours" in said
    assert "Run, with results in docs/results/papers: w2/" in said
    assert "Run, with" not in listing()
