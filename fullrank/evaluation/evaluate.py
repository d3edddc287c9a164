"""Score the encoder of a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from fullrank.data import (
    DataOptions,
    Dataset,
    ImageSet,
    labeled,
    load_dataset,
    plain_batches,
    select,
    with_channels,
)
from fullrank.data.identity import hash_of_all, other_data, place_of, quoted, read_for, unknown_data
from fullrank.data.images import split_rows
from fullrank.data.sources.acting import refuse_idle_reading
from fullrank.data.sources.objects import from_object, is_object, places_in
from fullrank.engine.device import this_device
from fullrank.engine.gather import gather_rows, share_of
from fullrank.engine.launcher import process_rank, with_processes
from fullrank.engine.options import TrainerOptions, require_numbers
from fullrank.engine.progress import first_speaks
from fullrank.engine.trainer import launch
from fullrank.errors import UserError, command
from fullrank.evaluation.features import features
from fullrank.evaluation.frozen.score import Score, score
from fullrank.metrics import separability
from fullrank.nn import SavedEncoder, load_encoder
from fullrank.nn.exports import NOTE
from fullrank.nn.weights import LIBRARIES
from fullrank.runs import read_config, read_json, write_json
from fullrank.runs.reading import value_of
from fullrank.terminal import bars, say

_K, _TEMPERATURE = 20, 0.07  # of the kNN classifier
_BATCH = 512
_WORKERS = 2  # processes that decode the images of a folder


@dataclass(frozen=True, eq=False)
class Split:
    """Labeled images that may be learned from, and those that are asked about."""

    train: ImageSet
    test: ImageSet
    rows: Tensor  # of the images that were divided, int64 (N,): those of `train`
    about: str


def evaluate_run(
    run: Path,
    *,
    k: int | None = None,
    temperature: float | None = None,
    baselines: bool = False,
    validation: bool = False,
    data_root: Path | None = None,
    backbone: nn.Module | None = None,
    trust: bool = False,
    data: object = None,
    reading: DataOptions | None = None,
    devices: int | None = None,
    nodes: int = 1,
    console: Console,
) -> dict[str, Any]:
    """Features, kNN and linear probe of a run's frozen encoder, printed and merged into its result.json.

    Also how far apart the classes of the test set lie, and the score of the first features alone where only they
    entered the loss.

    Processes share the features, as many as `devices` and `nodes` or a launcher say, else one; the first does the rest
    and the others return nothing. `backbone` and `trust` are those of `fullrank.nn.load_encoder`.
    `data` is scored on in place of the run's own: its new place, or other labeled images, or an object with images;
    `reading` has what is to be understood otherwise than in the training.

    With `validation` a held-out tenth of the training labels takes the place of the test set, and nothing is
    written; with `baselines` raw pixels and the untrained encoder are scored too.
    """
    k, temperature, voting = _voting(k, temperature)
    _require_run(run)
    config, console = read_config(run), first_speaks(console)
    options = with_processes(TrainerOptions(out=run, devices=devices, nodes=nodes), otherwise=1)
    saved = load_encoder(run / "encoder.safetensors", backbone=backbone, trust=trust)
    dataset, images, seen = _data(run, config, saved, data=data, data_root=data_root, reading=reading, console=console)
    seed = config["settings"]["seed"]
    division = divide(dataset, seed=seed, validation=validation, seen=seen)
    about = division.about + voting
    say(console, f"{run}: scored on {about}")
    begun = time.perf_counter()
    task = _Task(division, size=saved.encoder.image_size, k=k, temperature=temperature, seed=seed)
    others = _baselines(saved, seed) if baselines else {}
    launch(options)
    train, test = task.features("encoder", saved, console)
    if process_rank() != 0:
        for name, encode in others.items():
            task.features(name, encode, console)
        return {}
    result = read_json(run / "result.json")
    if result.get("scored_on") != about or result.get("scored_images", images) != images:  # of others, or otherwise
        result.pop("baselines", None)
    result |= {"scored_on": about, "scored_images": images, "k": k, "temperature": temperature}
    result |= _whole(task.score("encoder", train, test, console))
    result["separability"] = task.separability(test, console)
    some, width = saved.loss_features, train.shape[1]
    if some is not None and some < width:
        part = task.score(f"first {some} of {width}", train[:, :some], test[:, :some], console)
        result["sub_vector"] = {"features": some, "of": width, **_short(part)}
    result["seconds"]["evaluate"] = round(time.perf_counter() - begun, 1)
    if baselines:
        result["baselines"] = {
            name: _short(task.score(name, *task.features(name, encode, console), console))
            for name, encode in others.items()
        }
    if not validation:
        write_json(run / "result.json", result)
    return result


def _voting(k: int | None, temperature: float | None) -> tuple[int, float, str]:
    """How many neighbors vote, their temperature, and what is said of both where they are not the usual ones.

    Raises UserError for what cannot be.

    >>> _voting(None, None), _voting(1, 0.5)
    ((20, 0.07, ''), (1, 0.5, ', with k = 1 and temperature = 0.5'))
    """
    count = _K if k is None else value_of("k", int, k, argument=True)
    sharpness = _TEMPERATURE if temperature is None else value_of("temperature", float, temperature, argument=True)
    require_numbers({"k": count, "temperature": sharpness}, {"k": 1}, above=("temperature",))
    others = [f"k = {count}"] * (count != _K) + [f"temperature = {sharpness:g}"] * (sharpness != _TEMPERATURE)
    return count, sharpness, f", with {' and '.join(others)}" if others else ""


def _require_run(run: Path) -> None:
    """Raise a UserError for an encoder without a run, which has no settings of its own to be scored by."""
    if str(run).startswith(LIBRARIES) or run.is_file() or (run / NOTE).is_file():
        judged = command("evaluate", run, "--data", "DATA", "--protocol", "ours")
        raise UserError(f"{run} is not the folder of a run, and any other encoder is scored by a protocol: `{judged}`.")


def _baselines(saved: SavedEncoder, seed: int) -> dict[str, Callable[[Tensor], Tensor]]:
    return {"untrained": saved.untrained(seed), "pixels": _pixels}


def _data(
    run: Path,
    config: Mapping[str, Any],
    saved: SavedEncoder,
    *,
    data: object,
    data_root: Path | None,
    reading: DataOptions | None,
    console: Console,
) -> tuple[Dataset, str, bool]:
    """The images to score on, their hash, and whether the encoder was trained on them; what was understood is said."""
    settings = config["settings"]
    root = data_root or (Path(settings["data_root"]) if settings["data_root"] else None)
    if is_object(data):
        dataset, same = read_for(config, reading, data, partial(from_object, data))
    else:
        place = place_of(run, config, places_in(data))
        refuse_idle_reading(place, reading or DataOptions(), root=data_root)
        load = partial(load_dataset, place, root=root, say=partial(say, console))
        dataset, same = read_for(config, reading, data, load)
    images, dataset = hash_of_all(dataset), with_channels(dataset, saved.encoder.channels)
    say(console, dataset.inventory().line())
    if same == "other" and data is None:
        place = quoted(place_of(run, config, None))
        raise other_data(run, config, dataset, f"or pass --data {place} to score on them as they are")
    if same == "unknown":
        say(console, unknown_data(run, config))
    if same == "other":
        say(console, f"These are not the images that {run} was trained on.")
    return dataset, images, same != "other"


def divide(dataset: Dataset, *, seed: int, validation: bool = False, seen: bool = True) -> Split:
    """Who may be learned from and who is asked: the test set if there is one, else a held-out fifth.

    With `validation`, a held-out tenth of the training labels; the test set is not touched. `seen` tells whether
    these are the images that the encoder was trained on.
    """
    train = labeled(dataset.train)
    if len(train) == 0:
        raise UserError(f"{dataset.name} has no labels: put its images into one folder per class to score an encoder.")
    assert dataset.train.labels is not None
    known = torch.nonzero(dataset.train.labels >= 0).flatten()
    if dataset.test is not None and not validation:
        test = labeled(dataset.test)
        _refuse_unknown(dataset, test)
        return Split(train, test, known, f"{len(test)} test images" + ("" if seen else f" of {dataset.name}"))
    rest, held = split_rows(train, 0.1 if validation else 0.2, seed)
    about = "a fifth; the encoder saw them without labels" if seen else f"a fifth of {dataset.name}"
    said = "held-out training images" if validation else f"held-out images ({about})"
    return Split(select(train, rest), select(train, held), known[rest], f"{len(held)} {said}")


def _refuse_unknown(dataset: Dataset, test: ImageSet) -> None:
    """Raise a UserError for a class that only the test set has."""
    known = set(labeled(dataset.train).classes)
    if unknown := [name for name in test.classes if name not in known]:
        some = ", ".join(unknown[:3]) + (", ..." if len(unknown) > 3 else "")
        raise UserError(
            f"{len(unknown)} of the {len(test.classes)} classes of the test set have no training images ({some}): add "
            "some, remove these test images, or list the classes to keep in a file for --classes."
        )


@dataclass(frozen=True, eq=False)
class _Task:
    """One way of scoring, for whatever makes features of images uint8 (N, C, size, size)."""

    division: Split
    size: int
    k: int
    temperature: float
    seed: int

    def features(self, name: str, encode: Callable[[Tensor], Tensor], console: Console) -> tuple[Tensor, Tensor]:
        with bars(console) as drawn:
            train = self._features(self.division.train, encode, drawn, f"  {name}: training features")
            return train, self._features(self.division.test, encode, drawn, f"  {name}: test features")

    def score(self, name: str, train: Tensor, test: Tensor, console: Console) -> Score:
        with bars(console) as drawn:
            bar = drawn.add_task(f"  {name}: linear probe", total=1.0)
            scored = score(
                train,
                _labels(self.division.train),
                test,
                _labels(self.division.test),
                k=self.k,
                temperature=self.temperature,
                seed=self.seed,
                progress=lambda share: drawn.update(bar, completed=share),
            )
        linear = f"linear {scored.linear.test_accuracy:.4f} (train {scored.linear.train_accuracy:.4f})"
        say(console, f"  {name:<18} kNN({self.k}) {scored.knn:.4f}   {linear}")
        return scored

    def separability(self, test: Tensor, console: Console) -> dict[str, float | None]:
        found = separability(test.cpu(), _labels(self.division.test), seed=self.seed)
        shown = (f"{name} {found[name]:.4f}" for name in ("between", "within", "silhouette") if found[name] is not None)
        say(console, f"  {'classes':<18} {'   '.join(shown)}")
        return found

    def _features(self, images: ImageSet, encode: Callable[[Tensor], Tensor], drawn: Progress, title: str) -> Tensor:
        total, mine = len(images), share_of(len(images))
        if len(mine) < total:
            images = select(images, torch.arange(mine.start, mine.stop))
        bar = drawn.add_task(title, total=len(images))

        def batches() -> Iterator[Tensor]:
            for batch in plain_batches(images, size=self.size, batch_size=_BATCH, workers=_WORKERS):
                yield batch
                drawn.advance(bar, len(batch))

        device = this_device()
        if isinstance(encode, SavedEncoder):
            encode.encoder.to(device)
        return gather_rows(features(encode, batches(), device=device), total)


def _labels(images: ImageSet) -> Tensor:
    assert images.labels is not None
    return images.labels


def _pixels(images: Tensor) -> Tensor:
    return images.flatten(1).float() / 255


def _whole(scored: Score) -> dict[str, Any]:
    linear = scored.linear
    return {
        "knn": scored.knn,
        "linear": {
            "train": linear.train_accuracy,
            "validation": linear.validation_accuracy,
            "test": linear.test_accuracy,
            "penalty": linear.penalty,
        },
    }


def _short(scored: Score) -> dict[str, float]:
    return {"knn": scored.knn, "linear": scored.linear.test_accuracy}
