"""A run goes on with what it was trained with, or says what changes."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from fullrank import recipes
from fullrank.cli import main
from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import Begun, last_checkpoint
from fullrank.engine.sealed import Sealed, previous, read
from fullrank.errors import UserError
from fullrank.recipes import Recipe
from fullrank.runs import read_json, read_rows
from fullrank.training.same_data import keep_same_settings, learned
from fullrank.transfer.options import Where
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
def test_another_precision_of_this_machine_is_refused_and_said(
    stopped: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fullrank.training.same_data.precision_of", lambda asked: "bf16-mixed")
    said = sentence(["train", "--resume", str(stopped)], capsys)
    assert "precision 32-true then, bf16-mixed now" in said
    assert "--any-settings" in said


CODE = {
    "recipe": "from fullrank.recipes.invariance import Invariance\n\n\nclass Mine(Invariance):\n    pass\n",
    "backbone": "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 8))\n",
    "views": "from fullrank.data import preset\n\n\ndef views():\n    return preset('gray', size=8, channels=1)\n",
}


def test_what_decides_what_is_learned_has_the_hash_of_each_file_of_code(tmp_path: Path) -> None:
    files = {what: tmp_path / f"{what}.py" for what in CODE}
    for what, file in files.items():
        file.write_text(CODE[what])
    recipe = Recipe(backbone=f"{files['backbone']}:net", views=f"{files['views']}:views")
    whole = learned(str(files["recipe"]), recipe, RunOptions())
    for what, file in files.items():
        file.write_text(CODE[what] + "\n# other\n")
        now = learned(str(files["recipe"]), recipe, RunOptions())
        assert [name for name, value in now.items() if value != whole[name]] == [f"code of {what}"]
        file.write_text(CODE[what])
    assert not [name for name in learned("intl", Recipe(), RunOptions()) if name.startswith("code")]


def test_a_file_of_code_that_is_another_is_refused_and_named_and_what_a_former_version_kept_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    now, said = {"precision": "32-true", "code of recipe": "b"}, Console(file=io.StringIO())
    with pytest.raises(UserError, match=r"\(code of recipe a then, b now\): put them back, or pass --any-settings"):
        keep_same_settings(tmp_path, Begun(True, now | {"code of recipe": "a"}), now, said, any_settings=False)
    for then in ({"precision": "auto"}, {"precision": "32-true"}):
        assert not keep_same_settings(tmp_path, Begun(True, then), now, said, any_settings=False)


def test_float16_without_a_gpu_is_refused_before_the_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lightning trained in bf16-mixed, and config.json said 16-mixed."""
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    flags = ["--precision", "16-mixed", "--out", str(tmp_path / "run")]
    assert main(["train", "intl", "--data", "digits", *flags]) == 2
    assert "--precision 16-mixed needs a GPU: pass bf16-mixed or 32-true, or for" in " ".join(
        capsys.readouterr().err.split()
    )
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="--precision 16-mixed needs a GPU"):
        Where(precision="16-mixed").options()


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
