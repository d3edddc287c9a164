"""A run goes on with what it was trained with, or says what changes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fullrank import recipes
from fullrank.cli import main
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.engine.sealed import Sealed, previous, read
from fullrank.runs import read_json, read_rows
from tests.cli.test_errors import sentence

Train = Callable[..., tuple[Path, bool]]


@pytest.fixture
def stopped(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that was killed after its 6 steps, before its result; the checkpoint before the last is of step 4."""
    from fullrank.training import fit

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    recipe = recipes.load("intl")(data="digits", image_size=8, batch_size=32, steps=6, projector=(16, 8), lr=0.01)
    with monkeypatch.context() as patch:
        patch.setattr(fit, "finish", killed)
        with pytest.raises(KeyboardInterrupt):
            train("run", recipe, checkpoint_every=2, monitor_every=3, probe=16)
    return tmp_path / "run"


def change(run: Path, **settings: Any) -> None:
    config = read_json(run / "config.json")
    config["settings"] |= settings
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.slow
def test_edited_settings_are_refused_and_named(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(stopped, seed=3, lr=1.0)
    said = sentence(["train", "--resume", str(stopped)], capsys)
    assert "lr 0.01 then, 1.0 now, seed 0 then, 3 now" in said
    assert "--any-settings" in said
    assert "changed" not in read_json(stopped / "config.json")


@pytest.mark.slow
def test_another_number_of_processes_is_said_and_kept(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(previous(last_checkpoint(stopped)), last_checkpoint(stopped))
    content = read(last_checkpoint(stopped))
    assert content["callbacks"]["Checkpoint"]["processes"] == 1
    content["callbacks"]["Checkpoint"]["processes"] = 2
    Sealed().save_checkpoint(content, last_checkpoint(stopped))
    assert main(["train", "--resume", str(stopped)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert (
        "goes on with 1 process, after 2 processes: images, order, augmentation, batch size and objective stay" in said
    )
    assert "but not sums in float32 (in their last bits), batch norm (which on a CPU sees the share of" in said
    assert read_json(stopped / "config.json")["changed"] == [{"processes": {"processes": [2, 1]}}]


@pytest.mark.slow
def test_edited_settings_are_taken_where_that_is_asked_for_and_kept(stopped: Path) -> None:
    shutil.copy(previous(last_checkpoint(stopped)), last_checkpoint(stopped))
    change(stopped, lr=1.0, weight_decay=0.5)
    assert main(["train", "--resume", str(stopped), "--any-settings"]) == 0
    assert read_json(stopped / "config.json")["changed"] == [
        {"settings": {"lr": [0.01, 1.0], "weight_decay": [1e-4, 0.5]}}
    ]
    state = torch.load(last_checkpoint(stopped), weights_only=True)
    groups = state["optimizer_states"][0]["param_groups"]
    assert {group["initial_lr"] for group in groups} == {1.0}  # what is logged is what is used
    assert max(group["weight_decay"] for group in groups) == 0.5
    last = [row for row in read_rows(stopped / "metrics.jsonl") if row["kind"] == "train"][-1]
    assert last["lr"] > 0.01


@pytest.mark.slow
def test_a_damaged_checkpoint_is_refused_and_the_one_before_ends_alike(
    stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = tmp_path / "whole"
    shutil.copytree(stopped, whole)
    assert main(["train", "--resume", str(whole)]) == 0
    path = last_checkpoint(stopped)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    capsys.readouterr()
    assert "--previous" in sentence(["train", "--resume", str(stopped)], capsys)
    assert main(["train", "--resume", str(stopped), "--previous"]) == 0
    assert (stopped / "encoder.safetensors").read_bytes() == (whole / "encoder.safetensors").read_bytes()
    assert sorted(file.name for file in path.parent.iterdir()) == ["last.ckpt"]


@pytest.mark.slow
def test_a_checkpoint_of_another_network_is_one_sentence(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change(stopped, projector=[24, 8])
    assert "does not fit its run" in sentence(["train", "--resume", str(stopped), "--any-settings"], capsys)


@pytest.mark.slow
def test_a_run_that_lacks_only_its_page_gets_it(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume", str(stopped)]) == 0
    (stopped / "report.html").unlink()
    assert main(["train", "--resume", str(stopped)]) == 0
    assert (stopped / "report.html").exists()
    capsys.readouterr()
    assert "is finished" in sentence(["train", "--resume", str(stopped)], capsys)


@pytest.mark.slow
def test_the_temporary_folder_is_not_used(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    recipe = recipes.load("intl")(data="digits", image_size=8, batch_size=32, steps=2, projector=(16, 8))
    assert train("other", recipe, probe=16)[1]
