"""What may not be read, or does not fit, is named as such, in one sentence and by the name of what is at fault."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fullrank.cli import main
from fullrank.commands._common import terminal
from fullrank.commands._reading import stem
from fullrank.commands.diagnose import spoken
from fullrank.errors import UserError
from fullrank.report import write_report
from fullrank.report.runs import page
from fullrank.runs.reading import is_run
from fullrank.runs.run import read_run
from fullrank.terminal import say
from tests.cli.test_errors import sentence
from tests.report.run_folders import write_run

RIGHT = "cannot be read (Permission denied): ask its owner for the right to."


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("ending", ["npy", "npz", "pt", "csv", "json", "jsonl", "safetensors", "parquet", "txt"])
def test_a_file_that_may_not_be_read_is_not_called_damaged(
    ending: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save("ours.npy", np.random.default_rng(0).normal(size=(9, 3)))
    Path(f"z.{ending}").write_text("0.1 0.2")
    access = os.access

    def refused(path: Any, *rest: Any, **more: Any) -> bool:
        return Path(path).stem != "z" and access(path, *rest, **more)

    monkeypatch.setattr("os.access", refused)
    flags = ["--no-report"]
    assert sentence(["diagnose", f"z.{ending}", *flags], capsys) == f"fullrank: z.{ending} {RIGHT}\n"
    assert sentence(["diagnose", "ours.npy", "--labels", f"z.{ending}", *flags], capsys).endswith(f"{RIGHT}\n")
    assert sentence(["compare", f"z.{ending}", "ours.npy"], capsys) == f"fullrank: z.{ending} {RIGHT}\n"


def test_what_is_in_a_folder_without_rights_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look = os.stat

    def refused(path: Any, *rest: Any, **more: Any) -> os.stat_result:
        if not isinstance(path, int) and "locked" in os.fspath(path):
            raise PermissionError(13, "Permission denied", path)
        return look(path, *rest, **more)

    monkeypatch.setattr("os.stat", refused)
    for arguments in (
        ["diagnose", "locked/z.npy"],
        ["compare", "locked/z.json", "z.npy"],
        ["neighbors", "locked/z.npy", "0"],
    ):
        assert sentence(arguments, capsys) == f"fullrank: {arguments[1]} {RIGHT}\n"
    assert sentence(["report", "locked/run"], capsys) == f"fullrank: locked/run/config.json {RIGHT}\n"
    assert not is_run(Path("locked/run"))


def test_a_folder_that_may_not_be_listed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("shards").mkdir()

    def refused(path: Path) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(Path, "iterdir", refused)
    assert sentence(["diagnose", "shards"], capsys) == f"fullrank: shards {RIGHT}\n"


@pytest.mark.parametrize("ending", ["", ".npy", ".json"])
def test_a_name_that_is_too_long_for_a_file_is_one_sentence(ending: str, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["diagnose"], ["compare", "z.npy"], ["neighbors"]):
        words = [*command[:1], 300 * "a" + ending, *command[1:], *(["0"] if command == ["neighbors"] else [])]
        assert "cannot be read (File name too long)" in sentence(words, capsys)


@pytest.mark.parametrize(
    ("seed", "said"), [("-1", "--seed -1 is too small"), ("9" * 23, "is too large: pass 900719925474")]
)
def test_a_seed_that_cannot_be_drawn_from_is_refused(seed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    np.save("z.npy", np.random.default_rng(0).normal(size=(9, 3)))
    assert said in sentence(["diagnose", "z.npy", "--seed", seed], capsys)
    assert not Path("z-diagnosis").exists()


def test_words_beside_json_are_as_harmless_as_those_of_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(spoken(terminal(), Path("-")), "w\x1b[2J")
    assert capsys.readouterr() == ("", "w\\x1b[2J\n")


def test_a_folder_is_named_after_the_whole_name_of_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [stem(f"runs/byol-tau{tau}") for tau in ("0.99", "0.996/")] == ["byol-tau0.99", "byol-tau0.996"]
    assert [stem(name) for name in ("Z.CSV", "z.npy.gz", "s3://b/z.npy", "a.b.npy")] == ["Z", "z", "z", "a.b"]
    Path("runs/byol-tau0.99").mkdir(parents=True)
    monkeypatch.chdir("runs/byol-tau0.99")
    assert [stem(name) for name in (".", "./", "..", "*.npy")] == [
        "byol-tau0.99",
        "byol-tau0.99",
        "runs",
        "byol-tau0.99",
    ]


def test_too_little_memory_is_no_damage_of_the_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr("fullrank.evaluation.evaluate.evaluate_run", full)
    said = "There is not enough memory: pass --protocol ours, which keeps features in a file (--memory)."
    assert sentence(["evaluate", "run"], capsys) == f"fullrank: {said}\n"


@pytest.mark.parametrize("where", ["read_run", "next_steps"])
def test_the_run_that_cannot_be_read_is_the_one_that_is_named(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [write_run(tmp_path / name) for name in "ab"]
    done = getattr(page, where)

    def broken(run: Any, *rest: Any) -> Any:
        if Path(getattr(run, "path", run)).name == "b":
            raise ValueError("no number")
        return done(run, *rest)

    monkeypatch.setattr(page, where, broken)
    assert read_run(runs[1]).path == runs[1]
    said = f"{runs[1]} cannot be read as a run (ValueError: no number)"
    with pytest.raises(UserError) as error:
        write_report(runs, Path("report.html"))
    assert str(error.value).startswith(said)
    assert sentence(["report", *map(str, runs)], capsys).startswith(f"fullrank: {said}")
    assert main(["report", str(runs[0])]) == 0
