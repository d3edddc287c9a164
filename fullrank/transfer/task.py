"""What a classifier learns and what it is asked: labeled images, their classes, and whose encoder sees them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fullrank.data import DataOptions, Dataset, ImageSet, load_dataset, plain_batches, select, with_channels
from fullrank.data.identity import Same, fingerprint, place_of, read_for
from fullrank.data.missing import restored
from fullrank.data.sources.acting import refuse_idle_reading
from fullrank.data.sources.objects import from_object, is_object, places_in
from fullrank.engine.gather import share_of
from fullrank.errors import UserError
from fullrank.evaluation.embed import identity, read_as_trained
from fullrank.evaluation.evaluate import divide
from fullrank.evaluation.model import Model, open_model
from fullrank.nn.exports import NOTE
from fullrank.runs import read_as_run, read_config
from fullrank.runs.reading import is_run

BATCH = 512  # images that are encoded together
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Where encoder and images are, as a user says it; `data`, places or an object, may be left out for a run."""

    source: str
    backbone: str | None = None
    data: object = None
    data_root: Path | None = None
    reading: DataOptions = field(default_factory=DataOptions)
    trust: bool = False


@dataclass(frozen=True, eq=False)
class Task:
    """A frozen encoder, images with labels to learn from and to be asked about, and the names of the classes."""

    model: Model
    name: str  # of the images
    train: ImageSet
    test: ImageSet
    about: str
    classes: tuple[str, ...]
    whole: ImageSet  # of which `train` is a part
    rows: Tensor  # of `whole`, int64 (N,): those of `train`
    range: tuple[float, float] | None = None  # what became 0 and 255 of more than 8 bits
    root: Path | None = None  # the folder of the images, where it is one

    @cached_property
    def identity(self) -> dict[str, str]:
        """Hashes that tell the encoder and the images, with their labels, from others."""
        return {
            "encoder": _encoder(self.model),
            "training images": _hash(self.train),
            "test images": _hash(self.test),
        }

    def plain(self, images: ImageSet, workers: int, *, shared: bool = False) -> Iterator[Tensor]:
        """Every image once, in order and at the encoder's size, as it is; `shared`: those of this process alone."""
        mine = share_of(len(images))
        if shared and len(mine) < len(images):
            images = select(images, torch.arange(mine.start, mine.stop))
        return plain_batches(images, size=self.model.encoder.image_size, batch_size=BATCH, workers=workers)


def refuse_idle(wanted: Wanted, places: Sequence[str] = ()) -> None:
    """Raise a UserError for what was said of reading the images, if it acts on none of them or of `places`."""
    run = Path(wanted.source)
    data: object = places or wanted.data
    if data is None and is_run(run):
        with read_as_run(run):
            data = place_of(run, read_config(run), None)
    refuse_idle_reading(data, wanted.reading, root=wanted.data_root)


def task_of(wanted: Wanted, *, seed: int, say: Say, record: Path | None = None) -> Task:
    """Open the encoder and read the images; what was understood is said.

    `record` is that of the training images which could not be read any more: they get their places again.
    """
    model = open_model(wanted.source, trust=wanted.trust, network=wanted.backbone, say=say)
    dataset, seen, root = _dataset(wanted, model, say)
    if record is not None:
        whole = restored(dataset.train, record, root)
        if count := len(whole) - len(dataset.train):
            say(f"Missing as before: {count:,} of {len(whole):,} images ({record}). Others take their place.")
        dataset = replace(dataset, train=whole)
    return replace(with_images(model, dataset, seed=seed, seen=seen), root=root)


def with_images(model: Model, dataset: Dataset, *, seed: int, seen: bool = True) -> Task:
    """The task of a data set, divided by `divide`."""
    division = divide(dataset, seed=seed, seen=seen)
    numbers = torch.cat([labels_of(division.train), labels_of(division.test)])
    classes = tuple(dataset.train.classes)
    unnamed = range(len(classes), int(numbers.max()) + 1)
    return Task(
        model,
        dataset.name,
        division.train,
        division.test,
        division.about,
        (*classes, *map(str, unnamed)),
        dataset.train,
        division.rows,
        dataset.range,
    )


def labels_of(images: ImageSet) -> Tensor:
    """The labels (N,) of labeled images."""
    assert images.labels is not None
    return images.labels


def _encoder(model: Model) -> str:
    """A hash of an encoder: of an export whose weights are in its files alone, of these."""
    found, export = hashlib.sha256(identity(model).encode()), Path(model.place)
    if not model.encoder.state_dict() and (export / NOTE).is_file():
        for file in sorted(path for path in export.iterdir() if path.is_file()):
            found.update(file.read_bytes())
    return found.hexdigest()


def _hash(images: ImageSet) -> str:
    """A hash of images, of how their pixels are read, and of their labels."""
    read = [getattr(images, name, None) for name in ("channels", "range", "gray", "pages")]
    content = json.dumps([fingerprint(images), read, labels_of(images).tolist()])
    return hashlib.sha256(content.encode()).hexdigest()


def _dataset(wanted: Wanted, model: Model, say: Say) -> tuple[Dataset, bool, Path | None]:
    """The images, whether the encoder was trained on them, and their folder, where they are in one."""
    run = Path(wanted.source)
    config = read_config(run) if is_run(run) else None
    with read_as_run(run):
        return _read(wanted, model, run, config, say)


def _read(
    wanted: Wanted, model: Model, run: Path, config: Mapping[str, Any] | None, say: Say
) -> tuple[Dataset, bool, Path | None]:
    place: str | list[str] | None = None
    if is_object(wanted.data):
        load = partial(from_object, wanted.data)
    else:
        kept = None if config is None else config["settings"].get("data_root")
        root = wanted.data_root or (Path(kept) if kept else None)
        place = _place(wanted, run, config)
        load = partial(load_dataset, place, root=root, say=say)
    same: Same = "other"
    if config is None:
        dataset = load(options=read_as_trained(model, wanted.reading, wanted.data))
    else:
        dataset, same = read_for(config, wanted.reading, wanted.data, load)
    dataset = with_channels(dataset, model.encoder.channels)
    say(dataset.inventory().line())
    if same == "other" and config is not None:
        say(f"These are not the images that {run} was trained on.")
    return dataset, same == "same", Path(place) if isinstance(place, str) and Path(place).is_dir() else None


def _place(wanted: Wanted, run: Path, config: Mapping[str, Any] | None) -> str | list[str]:
    given = places_in(wanted.data)
    if given or config is None:
        if not given:
            raise UserError(f"Which labeled images? {wanted.source} is not a run, which has its own: pass --data.")
        return given[0] if len(given) == 1 else given
    return place_of(run, config, None)
