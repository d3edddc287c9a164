"""Score the encoder of a run folder."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from fullrank.data import Dataset, ImageSet, labelled, load_dataset, plain_batches, split
from fullrank.errors import UserError
from fullrank.evaluate.features import features
from fullrank.evaluate.score import Score, score
from fullrank.nn import SavedEncoder, encoder, load_encoder
from fullrank.runs import read_json, write_json

_BATCH = 512
_WORKERS = 2  # processes that decode the images of a folder


@dataclass(frozen=True, eq=False)
class Split:
    """Labelled images that may be learned from, and those that are asked about."""

    train: ImageSet
    test: ImageSet
    about: str


def evaluate_run(
    run: Path,
    *,
    k: int = 20,
    temperature: float = 0.07,
    baselines: bool = False,
    validation: bool = False,
    data_root: Path | None = None,
    console: Console,
) -> dict[str, Any]:
    """Features, kNN and linear probe of a run's frozen encoder, printed and merged into its result.json.

    With `validation` a held-out tenth of the training labels takes the place of the test set, and nothing is
    written; with `baselines` raw pixels and the untrained encoder are scored too.
    """
    config = read_json(run / "config.json")
    saved = load_encoder(run / "encoder.safetensors")
    settings = config["settings"]
    root = data_root or (Path(settings["data_root"]) if settings["data_root"] else None)
    dataset = load_dataset(
        settings["data"],
        root=root,
        max_corrupt=settings["max_corrupt"],
        say=lambda text: console.print(text, markup=False),
    )
    division = divide(dataset, seed=settings["seed"], validation=validation)
    console.print(f"{run}: scored on {division.about}", highlight=False)
    begun = time.perf_counter()
    task = _Task(division, size=saved.encoder.image_size, k=k, temperature=temperature, seed=settings["seed"])
    numbers = {"encoder": task.score("encoder", saved, console)}
    seconds = time.perf_counter() - begun
    if baselines:
        numbers["untrained"] = task.score("untrained encoder", _untrained(saved, settings["seed"]), console)
        numbers["pixels"] = task.score("raw pixels", _pixels, console)
    result = _merged(run, numbers, seconds, division.about)
    if not validation:
        write_json(run / "result.json", result)
    return result


def divide(dataset: Dataset, *, seed: int, validation: bool = False) -> Split:
    """Who may be learned from and who is asked: the test set if there is one, else a held-out fifth.

    With `validation`, a held-out tenth of the training labels; the test set is not touched.
    """
    train = labelled(dataset.train)
    if len(train) == 0:
        raise UserError(f"{dataset.name} has no labels: put its images into one folder per class to score an encoder.")
    if validation:
        rest, held_out = split(train, 0.1, seed)
        return Split(rest, held_out, f"{len(held_out)} held-out training images")
    if dataset.test is not None:
        test = labelled(dataset.test)
        return Split(train, test, f"{len(test)} test images")
    rest, held_out = split(train, 0.2, seed)
    return Split(rest, held_out, f"{len(held_out)} held-out images (a fifth; the encoder saw them without labels)")


@dataclass(frozen=True, eq=False)
class _Task:
    """One way of scoring, for whatever makes features of images uint8 (N, C, size, size)."""

    division: Split
    size: int
    k: int
    temperature: float
    seed: int

    def score(self, name: str, encode: Callable[[Tensor], Tensor], console: Console) -> Score:
        columns = (TextColumn("  {task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            train = self._features(self.division.train, encode, progress, f"{name}: training features")
            test = self._features(self.division.test, encode, progress, f"{name}: test features")
            bar = progress.add_task(f"{name}: linear probe", total=1.0)
            scored = score(
                train,
                _labels(self.division.train),
                test,
                _labels(self.division.test),
                k=self.k,
                temperature=self.temperature,
                seed=self.seed,
                progress=lambda share: progress.update(bar, completed=share),
            )
        linear = f"linear {scored.linear.test_accuracy:.4f} (train {scored.linear.train_accuracy:.4f})"
        console.print(f"  {name:<18} kNN({self.k}) {scored.knn:.4f}   {linear}", highlight=False)
        return scored

    def _features(self, images: ImageSet, encode: Callable[[Tensor], Tensor], progress: Progress, title: str) -> Tensor:
        bar = progress.add_task(title, total=len(images))

        def batches() -> Iterator[Tensor]:
            for batch in plain_batches(images, size=self.size, batch_size=_BATCH, workers=_WORKERS):
                yield batch
                progress.advance(bar, len(batch))

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        if isinstance(encode, SavedEncoder):
            encode.encoder.to(device)
        return features(encode, batches(), device=device)


def _labels(images: ImageSet) -> Tensor:
    assert images.labels is not None
    return images.labels


def _pixels(images: Tensor) -> Tensor:
    return images.flatten(1).float() / 255


def _untrained(saved: SavedEncoder, seed: int) -> SavedEncoder:
    """The same network with fresh weights."""
    trained = saved.encoder
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = encoder(trained.name, image_size=trained.image_size, channels=trained.channels)
    return dataclasses.replace(saved, encoder=fresh.eval())


def _merged(run: Path, numbers: dict[str, Score], seconds: float, about: str) -> dict[str, Any]:
    result = read_json(run / "result.json")
    rows = {name: {"knn": scored.knn, "linear": scored.linear.test_accuracy} for name, scored in numbers.items()}
    linear = numbers["encoder"].linear
    result["knn"] = rows.pop("encoder")["knn"]
    result["linear"] = {
        "train": linear.train_accuracy,
        "validation": linear.validation_accuracy,
        "test": linear.test_accuracy,
        "penalty": linear.penalty,
    }
    result["scored_on"] = about
    result["seconds"]["evaluate"] = round(seconds, 1)
    if rows:
        result["baselines"] = rows
    return result
