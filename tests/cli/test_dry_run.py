from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from fullrank.cli import main
from tests.data.files import plain


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return " ".join(capsys.readouterr().out.split())


@pytest.mark.slow
def test_a_dry_run_prints_the_plan_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    said = _told(capsys, "train", "simclr", "--data", "digits", "--dry-run")
    assert "--batch-size 128 about an eighth of 1,397 images" in said
    assert "1,000, with 10 batches of 128 images in a pass; 117 images are left out of each pass" in said
    assert "2 per image (8 px, 8 px)" in said
    assert "time about" in said
    assert "--workers" not in said  # images in memory have nothing to read
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_like_takes_the_settings_of_a_run_and_a_flag_wins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"data": "digits", "batch_size": 64, "steps": 3, "temperature": 0.5, "w2": 0.25, "projector": [32, 16]}
    options = {"accumulate": 2, "checkpoint_every": 4, "probe": 32, "devices": 64, "out": "elsewhere"}
    config = {"recipe": "simclr", "settings": settings, "run": options}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    out = tmp_path / "run"
    main(["train", "byol", "--like", str(tmp_path), "--steps", "2", "--out", str(out), "--probe", "64"])
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    written, run = config["settings"], config["run"]
    assert (run["accumulate"], run["checkpoint_every"], run["probe"], run["devices"]) == (2, 4, 64, None)
    assert (written["data"], written["batch_size"], written["w2"]) == ("digits", 64, 0.25)
    assert written["steps"] == 2
    assert "temperature" not in written
    assert "These settings are left out, as byol does not have them: temperature." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (["--like"], "--like needs a run: pass its folder."),
        (["--like", "nowhere"], "nowhere is not a run folder"),
        (["--like="], "--like needs a run: pass its folder."),
        (["--like", "nowhere", "--preset", "cifar10"], "pass one of them"),
        (["--like", "nowhere", "--preset=cifar10"], "pass one of them"),
        (["--preset=cifar10", "--like=nowhere"], "pass one of them"),
    ],
)
def test_a_wrong_like_gets_one_sentence(flags: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "intl", *flags]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_that_is_printed_after_a_training_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "my runs" / "größer & kleiner"
    flags = ["--data", "digits", "--steps", "2", "--batch-size", "32", "--probe", "64", "--out", str(run)]
    assert main(["train", "vicreg", *flags]) == 0
    printed = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Score it with: "))
    program, *arguments = shlex.split(printed.removeprefix("Score it with: "))
    assert program == "fullrank"
    assert main(arguments) == 0


@pytest.mark.slow
def test_after_a_training_without_labels_no_command_is_printed_that_needs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plain(tmp_path / "my photos", 40)
    run = tmp_path / "größer & kleiner"
    flags = ["--steps", "2", "--batch-size", "8", "--probe", "40", "--workers", "0", "--out", str(run)]
    assert main(["train", "vicreg", "--data", str(tmp_path / "my photos"), *flags]) == 0
    said = capsys.readouterr().out
    assert "fullrank evaluate" not in said
    assert "Train for longer: fullrank train vicreg --like 'größer & kleiner' --steps 200\n" in said.replace(
        str(tmp_path) + "/", ""
    )
    printed = next(line for line in said.splitlines() if line.startswith("Its images have no labels."))
    assert main(shlex.split(printed.partition(": ")[2])[1:]) in (0, 1, 3)  # 3: too few images to say
