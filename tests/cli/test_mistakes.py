"""Mistakes in the words of a command: one sentence that ends in the remedy, exit code 2, whatever the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from fullrank.cli import COMMANDS, main
from fullrank.commands._common import parse
from fullrank.commands.compare import Compare
from fullrank.data import load_dataset
from fullrank.errors import UserError

WORDS = {"train": ["train", "simclr"], "detect": ["detect", "run"], "report": ["report", "run"]}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of these arguments, without the name of the program."""
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert not list(Path().iterdir())
    return said.removeprefix("fullrank: ").rstrip()


@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "recipes"])
def test_every_command_names_the_flag_that_it_has_not(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = WORDS.get(name, [name])
    command = f"fullrank {words[0]} simclr" if name == "train" else f"fullrank {name}"
    said = sentence([*words, "--zzzz", "1"], capsys)
    assert said == f"`{command}` has no flag --zzzz: see `{command} --help`."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("train simclr --dta photos", "`fullrank train simclr` has no flag --dta: did you mean --data?"),
        ("train simclr -data photos", "`fullrank train simclr` has no flag -data: did you mean --data?"),
        ("train intl --batchsize=8", "`fullrank train intl` has no flag --batchsize: did you mean --batch-size?"),
        ("compare a b --max-rises x=1", "`fullrank compare` has no flag --max-rises: did you mean --max-rise?"),
        (
            "train simclr photos",
            "`fullrank train simclr` takes flags only, and photos is one argument too many:"
            " did you mean --data photos?",
        ),
        ("evaluate r b", "`fullrank evaluate` takes RUN, and b is one argument too many: did you mean --data b?"),
        ("compare a b c", "`fullrank compare` takes OLD NEW, and c is one argument too many: leave it out."),
        ("evaluate", "`fullrank evaluate` lacks RUN (folder of a finished run): see `fullrank evaluate --help`."),
        ("train simclr --steps", "--steps has no value: write one behind it, or see `fullrank train simclr --help`."),
        ("train simclr --stem bogus", "--stem cannot be bogus: pass one of imagenet, small."),
        ("train simclr --lr abc", "--lr cannot be abc: pass a number."),
        ("neighbors z.npy 1 --k abc", "--k cannot be abc: pass a whole number."),
        ("train simclr --data a --data b", "--data is there twice: write it once, with all its values behind it."),
        ("train simclr --data=a --data=b", "--data is there twice: write it once, with all its values behind it."),
        ("compare a b --max-drop x=1 --max-drop y=1", "--max-drop is there twice"),
    ],
)
def test_a_mistake_has_its_remedy(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence(arguments.split(), capsys).startswith(said)


def test_of_a_flag_with_one_value_the_last_one_counts() -> None:
    found = parse(Compare, ["a", "b", "--groups", "c", "--groups=d", "--max-drop", "x=1", "y=1"], "compare")
    assert (found.groups, found.max_drop) == ("d", ("x=1", "y=1"))


def test_all_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    said = sentence(["compare"], capsys)
    assert said.startswith("`fullrank compare` lacks OLD (embeddings as for `fullrank diagnose`, ")
    assert " and NEW (the new embeddings, " in said
    said = sentence(["embed", "run"], capsys)
    assert said.startswith("`fullrank embed` lacks --out (file for the embeddings: ")
    assert "NAME.rows.csv): see" in said  # the text of a help that has two lines


def test_data_without_a_place_is_refused() -> None:
    with pytest.raises(UserError, match=r"^No data is named: pass a folder of images"):
        load_dataset(())
