"""Bad input: one sentence with the remedy, exit code 2, nothing left behind."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fullrank.cli import main

from ..data.files import make_folder


def images(folder: Path, count: int) -> str:
    folder.mkdir()
    for number in range(count):
        array = np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(array).save(folder / f"{number}.png")
    return str(folder)


def sentence(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What the command says on its way out with exit code 2."""
    capsys.readouterr()
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    assert "Traceback" not in said
    return said


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--batch-size", "1"], "--batch-size 1 is too small: pass 2 or more"),
        (["--batch-size", "2000"], "larger than the 1397 images of digits: pass --batch-size 1397 or less"),
        (["--backbone", "resnet19"], "did you mean"),
        (["--backbone", "alexnet", "--image-size", "8"], "cannot take images of 8 px"),
        (["--data", "digitz"], "did you mean"),
        (["--views", "simclrr"], "did you mean simclr"),
        (["--epochs", "nan"], "--epochs must be positive, got nan"),
        (["--lr", "-1"], "--lr must be positive, got -1.0"),
        (["--optimizer", "lars", "--lars-trust", "0"], "--lars-trust must be positive, got 0.0"),
        (["--steps", "0"], "--steps 0 is too small"),
        (["--projector"], "has no width"),
        (["--projector", "1000000000"], "are free: pass a smaller --projector"),
        (
            ["--devices", "2", "--batch-size", "65"],
            "65 cannot be shared by 2 processes: pass --batch-size 64",
        ),
        (["--steps", "1000000000000000000"], "--steps 1000000000000000000 is too large: pass 1000000000000 or less"),
        (["--epochs", "1e12"], "--epochs 1000000000000.0 is too large: pass 1000000000 or less"),
        (["--accumulate", "1000000"], "--accumulate 1000000 is too large"),
        (["--workers", "1000000"], "--workers 1000000 is too large"),
        (["--iterations", "1000000"], "--iterations 1000000 is too large"),
        (["--image-size", "1000000"], "needs more memory for 1000000 x 1000000 px"),
        (["--w2", "nan"], "--w2 nan is not a number that can be used"),
        (["--data", ".", "--max-corrupt", "inf"], "--max-corrupt inf is not a number that can be used"),
        (["--out", "/proc/run"], "/proc/run cannot be written"),
    ],
)
def test_wrong_settings(flags: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = [(flag, value) for flag, value in (("--data", "digits"), ("--image-size", "16")) if flag not in flags]
    assert expected in sentence(["train", "intl", *(word for pair in base for word in pair), *flags], capsys)
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_for_the_first_step_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As images of 4096 px take; what was given too little memory is the corrected command's."""

    def lacking(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 34359738368 bytes.")

    monkeypatch.setattr("fullrank.training.fit.take_probe", lacking)
    said = sentence(["train", "vicreg", "--data", "digits", "--image-size", "16", "--out", "run"], capsys)
    assert "There is not enough memory: pass a smaller --image-size, --batch-size" in said
    assert list(tmp_path.iterdir()) == []


def test_a_logger_that_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = sentence(["train", "intl", "--data", "digits", "--logger", "wandb"], capsys)
    assert "pip install 'fullrank[wandb]'" in said
    assert list(tmp_path.iterdir()) == []


def test_a_logger_whose_package_is_there_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As mlflow-skinny is: it loads without what it needs later, or does not load."""
    out = tmp_path / "run"
    command = ["train", "intl", "--data", "digits", "--logger", "mlflow", "--out", str(out)]
    (tmp_path / "mlflow.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", hiding("sqlalchemy"))
    said = sentence(command, capsys)
    assert "--logger mlflow writes to a database in the run folder, which needs sqlalchemy" in said
    assert "pip install 'fullrank[mlflow]', or set MLFLOW_TRACKING_URI to a server" in said
    monkeypatch.delitem(sys.modules, "mlflow")
    (tmp_path / "mlflow.py").write_text("import no_such_package")
    importlib.invalidate_caches()
    said = sentence(command, capsys)
    assert "its package does not load (No module named 'no_such_package'): pip install 'fullrank[mlflow]'" in said
    assert not out.exists()


def hiding(*names: str) -> Any:
    """`find_spec` that does not find these packages."""
    real = importlib.util.find_spec
    return lambda name, *rest: None if name in names else real(name, *rest)


def test_folders_that_cannot_be_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    one, few = images(tmp_path / "one", 1), images(tmp_path / "few", 5)
    before = sorted(tmp_path.rglob("*"))
    assert "empty holds no" in sentence(["train", "intl", "--data", str(tmp_path / "empty")], capsys)
    assert "one holds 1 readable image" in sentence(["train", "intl", "--data", one], capsys)
    assert "--batch-size 5 or less" in sentence(["train", "intl", "--data", few, "--batch-size", "256"], capsys)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_folder_of_photographs_trains_and_says_what_it_skipped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """300 images: five corrupt, one 16-bit, one with alpha, one of 1 x 1 pixel, and other oddities."""
    photos = make_folder(tmp_path / "photos")
    flags = ["--image-size", "32", "--steps", "3", "--batch-size", "16", "--probe", "40", "--out", "run"]
    assert main(["train", "vicreg", "--data", str(photos), *flags]) == 0
    said = capsys.readouterr().out
    assert "Skipped 5 unreadable images:" in said
    for name in ("cut.jpg", "half.png", "empty.png", "text.png", "zip.jpg"):
        assert name in said
    assert main(["evaluate", "run"]) == 0
    assert "held-out images (a fifth" in capsys.readouterr().out
    assert "--max-corrupt" in sentence(["train", "vicreg", "--data", str(photos), "--max-corrupt", "0.01"], capsys)


def test_an_existing_run_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("precious")
    said = sentence(["train", "intl", "--data", "digits", "--out", "run"], capsys)
    assert "run exists already: pass another --out" in said
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_a_full_disk_at_the_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", full)
        said = sentence(["train", "intl", "--data", "digits", "--image-size", "16", "--out", "run"], capsys)
    assert "No space left on the disk while writing" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_full_disk_in_between_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    save = torch.save

    def full_from_step_4(content: Any, file: Any) -> None:
        if content["global_step"] < 4:
            save(content, file)
            return
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    flags = ["--data", "digits", "--image-size", "16", "--steps", "6", "--checkpoint-every", "2", "--probe", "50"]
    with monkeypatch.context() as patched:
        patched.setattr(torch, "save", full_from_step_4)
        said = sentence(["train", "intl", *flags, "--out", "run"], capsys)
    assert "No space left on the disk while writing" in said
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.ckpt"]
    assert main(["train", "--resume", "run"]) == 0  # from step 2
    assert (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["trian"], "did you mean train"),
        (["train", "intll"], "did you mean intl?"),
        (["train", "missing.py"], "There is no file missing.py"),
        (["train", "--resume", "nowhere"], "is not a run folder"),
        (["train", "--resume"], "--resume takes one run folder"),
        (["evaluate", "nowhere"], "is not a run folder"),
        (["report", "nowhere"], "nowhere"),
        (["report"], "report needs a run"),
        (["recipes", "simclrr"], "did you mean simclr?"),
        (["recipes", "intl", "simclr"], "`fullrank recipes` takes one RECIPE and no flags: leave out simclr."),
        (["recipes", "--foo", "intl"], "`fullrank recipes` takes one RECIPE and no flags: leave out --foo."),
    ],
)
def test_wrong_verbs_and_runs(arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert expected in sentence(arguments, capsys)


def test_debug_shows_the_traceback() -> None:
    from fullrank.errors import UserError

    with pytest.raises(UserError):
        main(["train", "intll", "--debug"])


def test_a_recipe_file_with_no_or_two_recipes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "none.py").write_text("x = 1\n")
    assert "none.py defines 0 recipes" in sentence(["train", "none.py"], capsys)
