"""Reading run folders: whole ones, killed ones, and folders that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fullrank.cli import main
from fullrank.errors import UserError
from fullrank.runs import write_json
from fullrank.runs.run import read_run
from tests.report.run_folders import BACKBONE, STEPS


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder `run` in the current one."""
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    return Path("run")


def flat(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said on stderr, in one line."""
    return " ".join(capsys.readouterr().err.split())


def test_a_finished_run(run: Path) -> None:
    read = read_run(run)
    assert read.recipe == "intl"
    assert read.settings["batch_size"] == 256
    assert read.options == {"seed": 0, "data": "fashion"}
    assert [record.step for record in read.train] == list(STEPS)
    assert read.train[0].terms == {"similarity": 0.3, "trace": 30 - 0.09}
    assert read.monitor[0].knn is None
    assert read.monitor[-1].backbone["dims"] == BACKBONE
    assert read.spectra is not None
    assert read.spectra.backbone.shape == (len(STEPS), BACKBONE)
    assert read.samples.classes == ("shirt", "coat", "bag", "boot")
    assert read.result is not None
    assert (read.result.state, read.result.linear["validation"], read.knn) == ("healthy", 0.81, 0.69)
    assert read.result.baselines["pixels"]["knn"] == 0.6


@pytest.mark.parametrize(
    "words",
    [
        ["embed", "run", "photos", "--out", "z.npy"],
        ["export", "run", "--to", "timm", "--out", "x"],
        ["finetune", "run", "--out", "x"],
        ["evaluate", "run"],
        ["diagnose", "run"],
        ["diagnose", "run", "--data", "photos"],
        ["report", "run"],
        ["train", "simclr", "--weights", "run", "--data", "digits", "--out", "x"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize(("made", "kind"), [("finetune", "finetuning"), ("detect", "detection")])
def test_every_command_names_the_encoder_of_a_run_that_is_no_training(
    made: str, kind: str, words: list[str], here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json(here / "config.json", {"kind": kind, "encoder": {"place": "run/fine-tuned-0/encoder.safetensors"}})
    assert main(words) == 2
    assert f"run is a run of `fullrank {made}`, which is not finished" in flat(capsys)
    (here / "result.json").write_text("{}")
    (here / "fine-tuned-0").mkdir()
    (here / "fine-tuned-0" / "encoder.safetensors").touch()
    assert main(words) == 2
    said = flat(capsys)
    assert f"run is a run of `fullrank {made}`: its page is run/report.html, and the encoder to pass is" in said
    assert "run/fine-tuned-0/encoder.safetensors (evaluate needs --protocol" in said


@pytest.mark.parametrize("command", ["train", "finetune", "detect"])
def test_a_run_goes_on_with_the_command_that_made_it(
    command: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other, kind = ("detect", "detection") if command == "finetune" else ("finetune", "finetuning")
    write_json(here / "config.json", {"kind": kind})
    assert main([command, "--resume", "run"]) == 2
    assert f"run is a run of `fullrank {other}`: go on with `fullrank {other} --resume run`." in flat(capsys)
    (here / "result.json").write_text("{}")
    assert main([command, "--resume", "run"]) == 2
    assert f"run is a run of `fullrank {other}` and finished: its page is run/report.html." in flat(capsys)


def test_an_unfinished_run_answers_with_its_newest_monitor(run: Path) -> None:
    for name in ("result.json", "spectra.npz", "samples.npz", "env.json"):
        (run / name).unlink()
    read = read_run(run)
    assert read.result is None
    assert read.spectra is None
    assert read.samples.views is None
    assert read.step == STEPS[-1]
    assert read.knn == read.monitor[-1].knn == 0.5 + 0.2 - 0.02
    assert read.collapse("embedding")["alignment"] == 0.2


def test_a_run_killed_before_its_first_record(run: Path) -> None:
    (run / "result.json").unlink()
    (run / "metrics.jsonl").unlink()
    read = read_run(run)
    assert (read.step, read.knn, read.collapse("backbone")) == (0, None, {})


def test_a_truncated_last_line_is_counted_and_left_out(run: Path) -> None:
    text = (run / "metrics.jsonl").read_text()
    (run / "metrics.jsonl").write_text(text[:-40])
    read = read_run(run)
    assert read.unreadable == 1
    assert [record.step for record in read.monitor] == list(STEPS[:-1])


def test_the_newest_record_of_a_resumed_step_counts(run: Path) -> None:
    again = {"kind": "train", "step": STEPS[1], "loss": -7.0, "terms": {"trace": None}}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(again) + "\n")
    read = read_run(run)
    assert [record.step for record in read.train] == list(STEPS)
    assert (read.train[1].loss, read.train[1].terms) == (-7.0, {"trace": None})


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a run folder \(it has no config.json\): pass a folder"):
        read_run(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("config.json", b"{", "config.json cannot be read"),
        ("config.json", b"[]", "holds no JSON object"),
        ("result.json", b"{}", "has no verdict"),
        ("spectra.npz", b"PK\x03\x04 cut", "spectra.npz cannot be read"),
        ("samples.npz", b"", "samples.npz cannot be read"),
    ],
)
def test_a_broken_file_is_named(run: Path, name: str, content: bytes, says: str) -> None:
    (run / name).write_bytes(content)
    with pytest.raises(UserError, match=says):
        read_run(run)


def test_reading_never_unpickles(run: Path) -> None:
    np.savez(run / "samples.npz", classes=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(UserError, match=r"samples.npz cannot be read \(classes holds objects"):
        read_run(run)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"views": np.zeros((2, 3, 4, 4, 3))}, "views must be uint8"),
        ({"neighbors": np.zeros((2, 3, 4, 4, 5), dtype=np.uint8)}, "neighbors must be uint8"),
        ({"projection": np.zeros((5, 3))}, r"projection must be \(n, 2\)"),
        ({"projection": np.zeros((5, 2)), "projection_labels": np.zeros(4, dtype=int)}, "one projection label"),
        ({"projection": np.zeros((5, 2)), "projection_labels": np.zeros(5)}, "one projection label"),
        ({"neighbor_labels": np.zeros((2, 3), dtype=int)}, "label of each neighbor"),
    ],
)
def test_arrays_of_another_shape_are_refused(run: Path, arrays: dict[str, Any], says: str) -> None:
    np.savez(run / "samples.npz", **arrays)
    with pytest.raises(UserError, match=says):
        read_run(run)


def test_spectra_need_one_row_a_step(run: Path) -> None:
    np.savez(run / "spectra.npz", steps=np.arange(3), backbone=np.ones((2, 4)), embedding=np.ones((3, 4)))
    with pytest.raises(UserError, match="one spectrum per step"):
        read_run(run)


def test_other_spectra_are_kept_by_name_and_need_one_row_a_step_too(run: Path) -> None:
    spectra = dict(np.load(run / "spectra.npz"))
    np.savez(run / "spectra.npz", **spectra, covariance=np.ones((len(STEPS), 7)))
    read = read_run(run).spectra
    assert read is not None
    assert {name: array.shape for name, array in read.others.items()} == {"covariance": (len(STEPS), 7)}
    np.savez(run / "spectra.npz", **spectra, covariance=np.ones((len(STEPS) - 1, 7)))
    with pytest.raises(UserError, match="one spectrum per step"):
        read_run(run)
