"""Where an evaluation may be kept: in a new or empty folder, or where it was begun, and never among other files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fullrank.cli import main
from fullrank.runs import read_json
from tests.transfer.test_finetune import stop_after

DATA, SUITE = ["--data", "made.npz", "--protocol", "ours"], ["--suite", "made.npz"]
MOCO = ["--protocol", "moco", "--epochs", "2", "--batch-size", "16"]  # three steps an epoch


def judge(*flags: str, out: str = "out") -> int:
    return main(["evaluate", "encoder.safetensors", "--out", out, *flags])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("images_by", [DATA, SUITE], ids=["data", "suite"])
@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("features/mine.npy", "mine"),
        ("report.html", "mine"),
        ("linear-0/mine.txt", "mine"),
        ("config.json", json.dumps({"recipe": "intl"})),
        ("result.json", json.dumps({"knn": 0.5})),
        ("unfinished.json", json.dumps({"kind": "mine"})),
    ],
)
def test_a_folder_of_something_else_is_refused_and_left_as_it_is(
    file: str, content: str, images_by: list[str], source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "out" / file).parent.mkdir(parents=True)
    (source / "out" / file).write_text(content)
    before = contents(source)
    assert judge(*images_by) == 2
    what = "an evaluation" if images_by is DATA else "a suite"
    assert f"fullrank: out holds something else than {what}: pass another --out." in capsys.readouterr().err
    assert contents(source) == before


def test_a_file_in_the_place_of_the_folder_or_of_a_part_of_a_suite_is_refused(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "out").write_text("mine")
    assert judge(*DATA) == judge(*SUITE) == 2
    assert capsys.readouterr().err.count("out holds something else than") == 2
    assert judge(*SUITE, out="suite") == 0
    (source / "other.npz").write_bytes((source / "made.npz").read_bytes())
    (source / "suite" / "other.npz").mkdir()
    (source / "suite" / "other.npz" / "result.json").write_text(json.dumps({"knn": 0.5}))
    assert judge(*SUITE, "other.npz", out="suite") == 2
    assert "suite/other.npz holds something else than an evaluation" in capsys.readouterr().err
    assert judge(*DATA, out="suite") == 2
    assert "suite holds something else than an evaluation" in capsys.readouterr().err


@pytest.mark.parametrize("images_by", [DATA[:2], SUITE], ids=["data", "suite"])
def test_an_unfinished_one_is_marked_and_goes_on_and_a_finished_one_has_neither_mark_nor_features(
    images_by: list[str], source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = source / "out"
    out.mkdir()  # an empty one is free
    with monkeypatch.context() as patch:
        stop_after(4, patch)
        assert judge(*images_by, *MOCO) == 130
    assert read_json(out / "unfinished.json") == {"kind": "evaluation" if images_by is not SUITE else "suite"}
    assert judge(*images_by, *MOCO) == 0
    assert not [*out.rglob("unfinished.json"), *out.rglob(".features")]


def test_one_that_version_0_2_0_left_unfinished_goes_on(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_after(4, patch)
        assert judge(*DATA[:2], *MOCO) == 130
    (source / "out" / "unfinished.json").unlink()  # it had none
    (source / "out" / "features").mkdir()
    assert judge(*DATA[:2], *MOCO) == 0


def test_a_suite_takes_evaluations_that_are_there(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judge(*DATA, out="out/made.npz") == 0

    def never(*rest: Any, **more: Any) -> None:
        raise AssertionError

    monkeypatch.setattr("fullrank.transfer.suite.judge", never)
    assert judge(*SUITE) == 0
