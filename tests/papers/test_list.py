"""The list of experiments: what the files declare is what they hold."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import fullrank.papers
from fullrank.cli import main
from fullrank.papers import Experiment, catalog, load


@pytest.mark.parametrize("name", catalog())
def test_the_list_says_what_the_file_declares(name: str) -> None:
    experiment, entry = load(name), catalog()[name]
    for field in dataclasses.fields(entry):
        if field.name != "module":
            assert getattr(entry, field.name) == getattr(experiment, field.name)
    assert name.count("/") == 1
    assert experiment.claim.endswith(".")
    assert experiment.minutes > 0


def test_every_declared_experiment_is_listed() -> None:
    files = Path(fullrank.papers.__file__).parent.glob("*/*.py")
    declared = sum(file.read_text(encoding="utf-8").count("= Experiment(") for file in files)
    assert declared == len(catalog()) > 0
    assert isinstance(load(next(iter(catalog()))), Experiment)


def test_an_experiment_that_does_not_exist_is_said_before_the_folder_that_lacks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["paper", "intl/nope"]) == 2
    assert "intl/nope" in capsys.readouterr().err


def test_the_verb_lists_them_with_their_time(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["paper"]) == 0
    said = capsys.readouterr().out
    for name, entry in catalog().items():
        (line,) = [line for line in said.splitlines() if line.startswith(f"{name} ")]
        assert entry.title in line
        assert " min " in line or " s " in line
