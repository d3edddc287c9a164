"""Scoring a run folder: what is added to its result, and what it takes from the encoder's file."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console

from fullrank.cli import main
from fullrank.data import load_dataset, plain_batches
from fullrank.errors import UserError
from fullrank.evaluation import features, score
from fullrank.evaluation.evaluate import divide, evaluate_run
from fullrank.metrics import separability
from fullrank.nn import encoder, encoder_bytes, load_encoder
from fullrank.runs import read_json

WIDTH = 512  # of the tiny encoder


def make_run(folder: Path, loss_features: int | None, labels: list[int]) -> Path:
    """A run folder as a training leaves it, with an untrained encoder and its data in an .npz file beside it."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (len(labels), 8, 8), dtype=np.uint8) // (1 + np.array(labels)[:, None, None])
    np.savez(folder / "data.npz", images=images.astype(np.uint8), labels=np.array(labels))
    run = folder / "run"
    run.mkdir()
    torch.manual_seed(0)
    trained = encoder("tiny", image_size=8, channels=1)
    content = encoder_bytes(trained, mean=(0.5,), std=(0.25,), loss_features=loss_features)
    (run / "encoder.safetensors").write_bytes(content)
    settings = {"data": str(folder / "data.npz"), "data_root": None, "max_corrupt": 0.1, "seed": 0}
    (run / "config.json").write_text(json.dumps({"recipe": "vicreg", "settings": settings}))
    (run / "result.json").write_text(json.dumps({"knn": None, "linear": None, "seconds": {"train": 1.0}}))
    return run


def evaluate(run: Path, **options: Any) -> tuple[dict[str, Any], str]:
    said = io.StringIO()
    result = evaluate_run(run, **options, console=Console(file=said, width=120))
    return result, said.getvalue()


@pytest.mark.slow
def test_the_features_that_entered_the_loss_are_scored_beside_all(tmp_path: Path) -> None:
    run = make_run(tmp_path, 3, [0, 1, 2] * 30)
    result, said = evaluate(run)
    assert read_json(run / "result.json") == result
    division, saved = (
        divide(load_dataset(str(tmp_path / "data.npz")), seed=0),
        load_encoder(run / "encoder.safetensors"),
    )
    (x, y), (test, test_y) = (
        (features(saved, plain_batches(part, size=8), device=torch.device("cpu")), part.labels)
        for part in (division.train, division.test)
    )
    assert y is not None
    assert test_y is not None
    parts = [score(x[:, :n], y, test[:, :n], test_y, seed=0) for n in (WIDTH, 3)]
    assert (result["knn"], result["linear"]["test"]) == (parts[0].knn, parts[0].linear.test_accuracy)
    assert result["sub_vector"] == {
        "features": 3, "of": WIDTH, "knn": parts[1].knn, "linear": parts[1].linear.test_accuracy,
    }  # fmt: skip
    assert result["separability"] == pytest.approx(separability(test, test_y), rel=1e-6)
    assert "first 3 of 512" in said
    assert "between" in said


@pytest.mark.parametrize("loss_features", [None, WIDTH])
def test_where_all_features_entered_the_loss_there_is_no_part_of_them(
    tmp_path: Path, loss_features: int | None
) -> None:
    result, said = evaluate(make_run(tmp_path, loss_features, [0, 1] * 20))
    assert "sub_vector" not in result
    assert "first" not in said


@pytest.mark.slow
def test_scores_of_other_images_do_not_stay_beside_these(tmp_path: Path) -> None:
    run = make_run(tmp_path, None, [0, 1] * 20)
    assert "baselines" in evaluate(run, baselines=True)[0]
    assert "baselines" in evaluate(run)[0]  # of the same images
    np.savez(tmp_path / "others.npz", images=np.zeros((30, 8, 8), np.uint8), labels=np.arange(30) % 2)
    result, _ = evaluate(run, data=str(tmp_path / "others.npz"))
    assert result["scored_on"].startswith("6 held-out images")
    assert "baselines" not in read_json(run / "result.json")


def test_baselines_of_other_data_of_the_same_name_do_not_stay_beside_these(tmp_path: Path) -> None:
    run, labels = make_run(tmp_path, None, [0, 1] * 20), np.arange(30) % 2
    results = []
    for folder, each in (("a", labels), ("a2", labels), ("b", labels[::-1])):
        (tmp_path / folder).mkdir()
        data = tmp_path / folder / "photos.npz"
        np.savez(data, images=np.zeros((30, 8, 8), np.uint8), labels=each)
        results.append(evaluate(run, data=str(data), baselines=folder == "a")[0])
    assert len({result["scored_on"] for result in results}) == 1
    assert ["baselines" in result for result in results] == [True, True, False]
    assert [result["scored_images"] == results[0]["scored_images"] for result in results] == [True, True, False]


def test_baselines_of_other_neighbors_do_not_stay_beside_these(tmp_path: Path) -> None:
    run = make_run(tmp_path, None, [0, 1] * 20)
    result, _ = evaluate(run, baselines=True)
    assert (result["k"], result["temperature"], result["scored_on"].partition(" images")[0]) == (20, 0.07, "8 held-out")
    assert "baselines" in evaluate(run, k=20, temperature=0.07)[0]
    result, said = evaluate(run, k=1)
    kept = read_json(run / "result.json")
    assert (kept["k"], "baselines" in kept) == (1, False)
    assert result["scored_on"].endswith(", with k = 1")
    assert "with k = 1" in said
    assert "baselines" in evaluate(run, k=1, baselines=True)[0]
    assert "baselines" not in evaluate(run, k=1, temperature=0.5)[0]
    assert read_json(run / "result.json")["scored_on"].endswith(", with k = 1 and temperature = 0.5")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"k": 0}, "--k 0 is too small: pass 1 or more"),
        ({"k": 1.5}, "k=1.5 is not what it can be: pass a whole number"),
        ({"temperature": 0.0}, "--temperature must be positive"),
        ({"temperature": float("nan")}, "--temperature must be positive"),
    ],
)
def test_what_neighbors_cannot_vote_by_is_refused_before_anything_is_read(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        evaluate(Path("no/such/run"), **flags)


def test_a_validation_writes_nothing(tmp_path: Path) -> None:
    run = make_run(tmp_path, 3, [0, 1] * 20)
    before = (run / "result.json").read_bytes()
    result, _ = evaluate(run, validation=True, baselines=True)
    assert (run / "result.json").read_bytes() == before
    assert result["scored_on"] == "4 held-out training images"
    assert set(result["baselines"]) == {"untrained", "pixels"}


def test_a_test_set_of_one_class_has_no_distance_between_classes_but_is_scored(tmp_path: Path) -> None:
    run = make_run(tmp_path, None, [0] * 60 + [1] * 2)  # both images of class 1 fall into the training part
    result, said = evaluate(run)
    found = read_json(run / "result.json")["separability"]
    assert (found["between"], found["ratio"], found["silhouette"], found["classes"]) == (None, None, None, 1)
    assert found["within"] > 0
    assert result["knn"] == 1.0
    assert "between" not in said


@pytest.mark.parametrize("place", ["timm:resnet18", "torchvision:resnet18", "encoder.safetensors", "exported"])
def test_an_encoder_without_a_run_is_told_of_protocols(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exported").mkdir()
    for file in ("encoder.safetensors", "exported/fullrank.json"):
        Path(file).touch()
    assert main(["evaluate", place, "--data", "digits"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert f"{place} is not the folder of a run" in said
    assert f"`fullrank evaluate {place} --data DATA --protocol ours`" in said
