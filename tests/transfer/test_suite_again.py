"""What of a suite is there already stands for the same question alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fullrank.cli import main
from fullrank.runs import read_json, write_json
from fullrank.transfer import suite
from fullrank.transfer.task import labels_of
from tests.transfer.made import images, write_source

SUITE = ["evaluate", "encoder.safetensors", "--out", "out", "--suite"]


def write_images(place: str, *, seed: int, shift: int = 0) -> None:
    made = images(40, 4, seed=seed)
    Path(place).parent.mkdir(exist_ok=True)
    np.savez(place, images=made.images[:, 0].numpy(), labels=(labels_of(made).numpy() + shift) % 4)


@pytest.fixture
def answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a suite of one.npz in out; from here on, what is not there already cannot be scored."""
    monkeypatch.chdir(tmp_path)
    write_source(seed=0)
    for place in ("one.npz", "two.npz"):
        write_images(place, seed=0)
    assert main([*SUITE, "one.npz"]) == 0
    monkeypatch.setattr(suite, "judge", None)  # it would be called
    return tmp_path


def other_encoder() -> None:
    write_source(seed=1)


def other_images() -> None:
    write_images("one.npz", seed=1)


def other_labels() -> None:
    write_images("one.npz", seed=0, shift=1)


def nothing() -> None:
    pass


@pytest.mark.parametrize(
    ("change", "flags", "what"),
    [
        (nothing, ["--k", "3"], "knn"),
        (nothing, ["--choose-k"], "choose_k"),
        (nothing, ["--seeds", "3"], "seeds"),
        (nothing, ["--memory", "0.5"], "memory"),
        (nothing, ["--epochs", "3"], "linear"),
        (nothing, ["--protocol", "intl"], "protocol, linear, knn"),
        (other_encoder, [], "encoder"),
        (other_images, [], "training images, test images"),
        (other_labels, [], "training images, test images"),
    ],
)
def test_another_question_is_not_answered_by_what_is_there(
    change: Callable[[], None], flags: list[str], what: str, answered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = read_json(answered / "out" / "result.json")
    change()
    assert main([*SUITE, "two.npz", "one.npz", *flags]) == 2  # before two.npz is scored
    said = " ".join(capsys.readouterr().err.split())
    assert f"out/one.npz holds another evaluation (with another {what}): remove it, or pass another --out." in said
    assert read_json(answered / "out" / "result.json") == before
    assert not (answered / "out" / "two.npz").exists()


def test_a_result_that_does_not_say_of_what_it_is_is_refused_as_such(
    answered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = answered / "out" / "one.npz" / "result.json"
    write_json(file, {name: value for name, value in read_json(file).items() if name != "asked"})
    assert main([*SUITE, "one.npz"]) == 2
    assert "holds an evaluation of a former version, which did not note its encoder" in capsys.readouterr().err


def test_the_result_of_something_else_is_not_written_over(answered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(answered / "out" / "result.json", {"knn": 0.5})
    assert main([*SUITE, "one.npz"]) == 2
    assert "out holds something else than a suite" in " ".join(capsys.readouterr().err.split())
    assert read_json(answered / "out" / "result.json") == {"knn": 0.5}


def test_images_of_the_same_name_elsewhere_are_others_unless_they_are_the_same(
    answered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images("else/one.npz", seed=0)
    assert main([*SUITE, "else/one.npz"]) == 0
    write_images("else/one.npz", seed=2)
    assert main([*SUITE, "else/one.npz"]) == 2
    assert "holds another evaluation" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--seeds", "0"], "--seeds 0 is too small: pass 1 or more."),
        (["--k", "0"], "--k 0 is too small: pass 1 or more."),
        (["--memory", "nan"], "--memory nan is not a number that can be used"),
        (["--memory", "-1"], "--memory -1.0 is too small: pass 0 or more."),
        (["--workers", "-1"], "--workers -1 is too small: pass 0 or more."),
        (["--max-corrupt", "nan"], "--max-corrupt nan is not a number that can be used"),
        (["--protocol", "imtl"], "There is no protocol imtl: did you mean intl?"),
        (["--k", "3", "--choose-k"], "pass one of them."),
        (["--precision", "bf16-mixed"], "--precision is for heads that are trained on crops"),
        (["--lr", "nan"], "--lr must be positive, got nan."),
        (["--devices", "2"], "Several processes need one folder: pass --out."),
    ],
    ids=str,
)
@pytest.mark.parametrize("images_by", ["--suite", "--data"])
def test_what_is_refused_leaves_no_folder(
    images_by: str,
    flags: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_source(seed=0)
    protocol = [] if "--protocol" in flags else ["--protocol", "ours"]
    assert main(["evaluate", "encoder.safetensors", images_by, "made.npz", *protocol, *flags]) == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["encoder.safetensors", "made.npz"]
