"""Score the encoder of a run folder."""

from __future__ import annotations

import dataclasses
import time
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
from fullrank.evaluate.options import Evaluate
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


def evaluate_run(options: Evaluate, console: Console) -> dict[str, Any]:
    """Features, kNN and linear probe of a run's frozen encoder, printed and merged into its result.json."""
    config = read_json(options.run / "config.json")
    saved = load_encoder(options.run / "encoder.safetensors")
    settings = config["settings"]
    root = options.data_root or (Path(settings["data_root"]) if settings["data_root"] else None)
    dataset = load_dataset(settings["data"], root=root, max_corrupt=settings["max_corrupt"], say=console.print)
    division = divide(dataset, seed=settings["seed"], validation=options.validation)
    console.print(f"{options.run}: scored on {division.about}", highlight=False)
    begun = time.perf_counter()
    numbers = {"encoder": _score(saved, division, options, settings["seed"], "encoder", console)}
    seconds = time.perf_counter() - begun
    if options.baselines:
        untrained = dataclasses.replace(saved, encoder=_untrained(saved, settings["seed"]))
        numbers["untrained"] = _score(untrained, division, options, settings["seed"], "untrained encoder", console)
        numbers["pixels"] = _score(_pixels, division, options, settings["seed"], "raw pixels", console, saved)
    result = _merged(options.run, numbers, seconds, division.about)
    if not options.validation:
        write_json(options.run / "result.json", result)
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


def _score(
    encode: Any, division: Split, options: Evaluate, seed: int, name: str, console: Console, like: SavedEncoder | None = None
) -> Score:
    size = (like or encode).encoder.image_size
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if isinstance(encode, SavedEncoder):
        encode.encoder.to(device, memory_format=torch.channels_last)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        found = []
        for part, images in (("training", division.train), ("test", division.test)):
            task = progress.add_task(f"{name}: {part} features", total=len(images))
            batches = []
            for batch in plain_batches(images, size=size, batch_size=_BATCH, workers=_WORKERS):
                batches.append(features(encode, [batch], device=device))
                progress.advance(task, len(batch))
            found.append(torch.cat(batches))
        probe = progress.add_task(f"{name}: linear probe", total=1.0)
        scored = score(
            found[0],
            _labels(division.train),
            found[1],
            _labels(division.test),
            k=options.k,
            temperature=options.temperature,
            seed=seed,
            progress=lambda share: progress.update(probe, completed=share),
        )
    console.print(
        f"  {name:<18} kNN({options.k}) {scored.knn:.4f}   linear {scored.linear.test_accuracy:.4f}"
        f" (train {scored.linear.train_accuracy:.4f})",
        highlight=False,
    )
    return scored


def _labels(images: ImageSet) -> Tensor:
    assert images.labels is not None
    return images.labels


def _pixels(images: Tensor) -> Tensor:
    return images.flatten(1).float() / 255


def _untrained(saved: SavedEncoder, seed: int) -> Any:
    """The same network with fresh weights."""
    trained = saved.encoder
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return encoder(trained.name, image_size=trained.image_size, channels=trained.channels).eval()


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
