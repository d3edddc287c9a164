"""Views of a user's own file: trained with, kept by their place, and run again only as they were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fullrank.cli import main
from fullrank.errors import UserError
from fullrank.recipes import Recipe
from fullrank.runs import read_json
from tests.training.conftest import small, train

__all__ = ["small", "train"]  # fixtures
Train = Callable[..., tuple[Path, bool]]
FILE = """
from fullrank.data import Augmentation, preset

def views(size, channels):
    return preset("digits", size=size, channels=channels)

def flipped():
    return [Augmentation(size=16, flip=1.0, hue=0.0, saturation=0.0, grayscale=0.0)] * 2

def three(sizes):
    return [Augmentation(size=size, hue=0.0, saturation=0.0, grayscale=0.0) for size in (*sizes, 12)]

def words():
    return ["flip", "crop"]

def nothing():
    pass

def needy(strength):
    pass
"""


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """augment.py in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("augment.py").write_text(FILE, encoding="utf-8")
    return tmp_path / "augment.py"


@pytest.mark.slow
def test_views_of_a_file_are_trained_with(file: Path, train: Train, small: Recipe) -> None:
    few = replace(small, steps=2)
    runs = {
        name: train(name, replace(few, views=views), monitor_every=2)[0]
        for name, views in (("own", "./augment.py:views"), ("flipped", "augment.py:flipped"), ("known", "digits"))
    }
    encoders = {name: (run / "encoder.safetensors").read_bytes() for name, run in runs.items()}
    assert encoders["own"] == encoders["known"] != encoders["flipped"]
    assert read_json(runs["own"] / "config.json")["settings"]["views"] == f"{file}:views"


@pytest.mark.parametrize(
    ("views", "sentence"),
    [
        (
            "./nowhere.py:views",
            "There is no file ./nowhere.py: pass the path of a file and a function in it, as in ./au",
        ),
        ("./augment.py", "./augment.py does not say which function gives the views: pass the path"),
        ("./augment.py:view", "augment.py has no function view: did you mean views?"),
        ("./augment.py:needy", "needy cannot be called without arguments, or with sizes, size and channels"),
        ("./augment.py:nothing", "nothing gives a NoneType: return a list of fullrank.data.Augmentation, one for each"),
        ("./augment.py:words", "words gives others than these: return a list of fullrank.data.Augmentation"),
        ("./augment.py:three", "gives views of 16, 16, 12 px, and 16, 16 px are asked for: pass --crops 16,16,12"),
    ],
)
def test_a_file_that_holds_no_views_is_one_sentence(views: str, sentence: str, train: Train, small: Recipe) -> None:
    with pytest.raises(UserError) as raised:
        train("run", replace(small, views=views))
    assert sentence in str(raised.value)
    assert not Path("run").exists()


@pytest.mark.slow
def test_a_file_of_views_that_changed_is_run_only_where_the_user_trusts_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--data", "digits", "--image-size", "16", "--steps", "2", "--probe", "40", "--batch-size", "8"]
    assert main(["train", "intl", "--views", "./augment.py:views", *flags, "--out", "run"]) == 0
    file.write_text(FILE + "\nprint('this ran')\n", encoding="utf-8")
    Path("run/encoder.safetensors").unlink()
    capsys.readouterr()
    for command in (["train", "--resume", "run"], ["train", "intl", "--like", "run", "--out", "other"]):
        assert main(command) == 2
        said = capsys.readouterr()
        assert "names code that you have not run as it is now" in said.err
        assert "this ran" not in said.out + said.err
    assert main(["train", "--resume", "run", "--trust"]) == 2  # it may run, but is not what was trained with
    said = capsys.readouterr()
    assert "this ran" in said.out
    assert "code of views" in said.err
    assert main(["train", "--resume", "run", "--trust", "--any-settings"]) == 0
