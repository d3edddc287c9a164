"""--help says of every setting what is used where it is not given, in groups, without loading torch."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Annotated

import pytest
import tyro

from fullrank.cli import COMMANDS, main
from fullrank.commands._common import parse

ASKED = [
    *([name] for name in COMMANDS if name not in ("recipes", "train")),
    *(["train", name] for name in ("intl", "directclr", "dcl")),
    *(["train", "vicreg", "--preset", "imagenet"], ["train", "--resume"], ["finetune", "--resume"]),
]


def said(command: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


@pytest.mark.slow
@pytest.mark.parametrize("command", ASKED, ids=" ".join)
def test_no_help_shows_none_or_nothing_as_a_default(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    start = time.process_time()
    text = said(command, capsys)
    assert time.process_time() - start < 1.0  # 0.1 s; an import of torch alone takes longer
    assert re.findall(r"\(default: (?:None)?\)|\{None\}|\bNone[|,]", text) == []
    assert "by default" not in text.split("──", 1)[-1].lower()


def test_a_default_is_that_of_the_data_or_of_the_preset(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--epochs FLOAT Passes over the data. (default: chosen from" in said(["train", "intl"], capsys)
    by_preset = said(["train", "intl", "--preset", "imagenet"], capsys)
    assert re.search(r"--epochs FLOAT Passes over the data\. \(default: [0-9.]+\)", by_preset)


@dataclass(frozen=True)
class Sample:
    """What a command may have."""

    files: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="FILE")]
    """Files to read."""
    sizes: tuple[int, ...] | None = None
    """Sizes in pixels, as 1, 2, ...; by default those of the files, -1, -2, ..."""
    name: str | None = None
    """A name."""
    kept: int = 3
    """How many are kept."""


def test_help_tells_required_from_optional_and_from_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Sample, ["--help"], "sample")
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "FILE Files to read. (required)" in text
    assert "Sizes in pixels, as 1, 2, ... (default: those of the files, -1, -2, ...)" in text
    assert "--name STR A name. (optional)" in text
    assert "--kept INT How many are kept. (default: 3)" in text
