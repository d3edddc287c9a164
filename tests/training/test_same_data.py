"""A run belongs to its data: it finds them from everywhere, where they have moved, and takes no others in silence."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from fullrank import recipes
from fullrank.cli import main
from fullrank.data import ImageTensor, load_dataset
from fullrank.data.identity import fingerprint
from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import Checkpoint
from fullrank.errors import UserError
from fullrank.evaluation.evaluate import evaluate_run
from fullrank.recipes import Recipe
from fullrank.runs import read_json
from fullrank.training.fit import resume
from tests.data.test_missing import spoil

Train = Callable[..., tuple[Path, bool]]


def photos(folder: Path, count: int = 12, seed: int = 0) -> Path:
    """Two classes of noise, one bright and one dark."""
    random = np.random.default_rng(seed)
    for name, level in (("bright", 255), ("dark", 120)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, level, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture
def stopped(train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run on photos/, named relative to the working directory, that lost its last steps."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos")
    recipe = recipes.load("intl")(data="photos", image_size=12, batch_size=8, steps=6, projector=(16, 8))
    run, _ = train("run", recipe, checkpoint_every=3, workers=0, probe=8)
    for name in ("result.json", "encoder.safetensors"):
        (run / name).rename(run / f"{name}.kept")
    return run


def go_on(run: Path, *flags: str) -> int:
    return main(["train", "--resume", str(run), *flags])


@pytest.mark.slow
@pytest.mark.parametrize("how", ["deleted", "cut off"])
def test_a_file_that_vanishes_while_training_costs_itself_alone_and_resuming_stays_exact(
    how: str, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = Checkpoint.on_train_batch_end

    def at_step(self: Checkpoint, trainer: Any, *rest: Any) -> None:
        folder = Path(self.path.parents[2].name.replace("run", "photos"))
        if trainer.global_step == 2 and (folder / "bright" / "3.png").exists():
            spoil(folder / "bright" / "3.png", how)
        if trainer.global_step == 5 and "stopped" in str(folder) and not (self.path.parents[1] / "asked").exists():
            (self.path.parents[1] / "asked").touch()
            self.ask_to_stop()
        real(self, trainer, *rest)

    monkeypatch.setattr(Checkpoint, "on_train_batch_end", at_step)
    monkeypatch.chdir(tmp_path)
    recipe = recipes.load("intl")(image_size=12, batch_size=8, steps=9, projector=(16, 8))
    for name in ("whole", "stopped"):
        photos(tmp_path / f"{name}-photos")
        train(f"{name}-run/run", replace(recipe, data=f"{name}-photos"), checkpoint_every=3, workers=0, probe=8)
    stopped = Path("stopped-run/run")
    assert not (stopped / "result.json").exists()
    assert len((stopped / "missing.jsonl").read_text().splitlines()) == 1
    assert go_on(stopped) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Missing as before: 1 of 24 images" in said
    assert "Missing at the end: 1 of 24 images" in said
    whole = Path("whole-run/run/encoder.safetensors")
    assert whole.read_bytes() == (stopped / "encoder.safetensors").read_bytes()


def finished(run: Path) -> None:
    for name in ("result.json", "encoder.safetensors"):
        (run / f"{name}.kept").rename(run / name)


@pytest.mark.slow
def test_config_keeps_where_the_data_are_and_what_they_are(stopped: Path, tmp_path: Path) -> None:
    config = read_json(stopped / "config.json")
    assert config["settings"]["data"] == str(tmp_path / "photos")
    assert config["data"]["understood"]["images"] == 24
    assert config["data"]["understood"]["classes"] == ["bright", "dark"]
    assert config["data"]["fingerprint"] == fingerprint(load_dataset("photos").train)


@pytest.mark.slow
def test_a_run_is_found_its_data_from_another_working_directory(
    stopped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = photos(tmp_path / "elsewhere" / "photos", seed=9).parent  # of the same name, and not meant
    monkeypatch.chdir(elsewhere)
    assert go_on(stopped) == 0
    assert main(["evaluate", str(stopped)]) == 0
    assert "24 images" in capsys.readouterr().out


@pytest.mark.slow
def test_other_images_are_refused_and_moved_ones_are_found(
    stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "photos").rename(tmp_path / "my photos")
    photos(tmp_path / "photos", count=8, seed=9)
    assert go_on(stopped) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "photos holds other images than" in said
    assert "(24 then, 16 now" in said
    assert "--any-data" in said
    shutil.rmtree(tmp_path / "photos")
    assert go_on(stopped) == 2
    assert "is not there: pass --data with its place of today" in " ".join(capsys.readouterr().err.split())
    assert go_on(stopped, "--data", "my photos") == 0
    assert read_json(stopped / "config.json")["settings"]["data"] == str(tmp_path / "my photos")
    assert main(["evaluate", str(stopped)]) == 0


@pytest.mark.slow
def test_other_images_are_taken_where_that_is_asked_for(stopped: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "photos")
    photos(tmp_path / "photos", count=8, seed=9)
    assert go_on(stopped, "--any-data") == 0
    config = read_json(stopped / "config.json")
    assert config["data"]["fingerprint"] == fingerprint(load_dataset("photos").train)


@pytest.mark.slow
def test_evaluate_scores_on_other_images_only_on_purpose(stopped: Path, tmp_path: Path) -> None:
    finished(stopped)
    (tmp_path / "photos" / "dark" / "0.png").unlink()
    said = io.StringIO()
    with pytest.raises(UserError, match=r"\(24 then, 23 now.* or pass --data .*photos to score on them as they are"):
        evaluate_run(stopped, console=Console(file=said))
    result = evaluate_run(stopped, data=["photos"], console=Console(file=said, width=300))
    assert f"These are not the images that {stopped} was trained on." in said.getvalue()
    assert result["scored_on"] == "5 held-out images (a fifth of photos)"
    gray = photos(tmp_path / "gray")
    for path in gray.rglob("*.png"):
        Image.open(path).convert("L").save(path)
    evaluate_run(stopped, data=["gray"], console=Console(file=said, width=300))
    assert "gray repeated in 3 channels, as the encoder takes" in said.getvalue()


@pytest.mark.slow
def test_a_run_on_images_without_labels_is_scored_on_labeled_ones(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the classes are is seen afterwards: bright and dark images lie apart in any encoder."""
    labeled = photos(tmp_path / "labeled ä", count=15, seed=3)
    (tmp_path / "flat").mkdir()
    for number, file in enumerate(sorted(photos(tmp_path / "made").rglob("*.png"))):
        file.rename(tmp_path / "flat" / f"{number}.png")
    data = str(tmp_path / "flat")
    recipe = recipes.load("intl")(data=data, image_size=12, batch_size=8, steps=2, projector=(16, 8))
    run, _ = train("run", recipe, workers=0, probe=8)
    assert main(["evaluate", str(run)]) == 2
    assert "have no labels" in capsys.readouterr().err
    assert main(["evaluate", str(run), "--data", str(labeled), "--k", "5"]) == 0
    result = read_json(run / "result.json")
    assert (result["scored_on"], result["knn"]) == ("6 held-out images (a fifth of labeled ä), with k = 5", 1.0)


@pytest.mark.slow
def test_diagnose_looks_at_any_images_through_the_encoder(stopped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    finished(stopped)
    assert main(["diagnose", str(stopped), "--data", "photos", "--json", "made.json", "--no-report"]) in (0, 1, 3)
    assert "the training images through the encoder of" in capsys.readouterr().out
    made = json.loads(Path("made.json").read_text())
    assert (made["n"], made["classes"]) == (24, ["bright", "dark"])
    assert main(["diagnose", str(stopped), "--data", "photos", "--layer", "embedding"]) == 2
    assert main(["diagnose", "made.json", "--data", "photos"]) == 2


@pytest.mark.slow
def test_a_run_of_version_0_1_0_says_that_nothing_was_checked(
    stopped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = read_json(stopped / "config.json")
    del config["data"]
    config |= {"fullrank": "0.1.0", "settings": config["settings"] | {"data": "photos"}}
    (stopped / "config.json").write_text(json.dumps(config))
    assert go_on(stopped) == 0
    assert "(of version 0.1.0) keeps no fingerprint of its data" in " ".join(capsys.readouterr().out.split())
    assert read_json(stopped / "config.json")["settings"]["data"] == str(tmp_path / "photos")


def test_a_fingerprint_is_of_shape_and_bytes(small: Recipe) -> None:
    some = ImageTensor(torch.arange(48, dtype=torch.uint8).view(3, 1, 4, 4), None, ())
    again = replace(some, images=some.images.clone())
    other = replace(some, images=some.images.view(3, 1, 2, 8))
    changed = replace(some, images=some.images.clone().index_fill_(0, torch.tensor([1]), 0))
    hashes = {fingerprint(images)["hash"] for images in (some, again, other, changed)}
    assert len(hashes) == 3


@pytest.mark.slow
def test_arrays_that_changed_are_refused(train: Train, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 255, (16, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images)
    recipe: Any = recipes.load("intl")(data=str(tmp_path / "a.npz"), batch_size=8, steps=2, projector=(16, 8))
    run, _ = train("run", recipe, probe=8)
    (run / "result.json").unlink()
    np.savez(tmp_path / "a.npz", images=images + 1)
    with pytest.raises(UserError, match=r"a holds other images than .* \(16 then, 16 now"):
        resume(run, recipe, RunOptions(probe=8), Console(file=io.StringIO()))
