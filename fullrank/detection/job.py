"""What a detection means for its data: the annotations as read, the plan, and detectors to train."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from fullrank.data.pixels import Decoding
from fullrank.detection.annotations import AnnotatedImage, Annotations, read_annotations
from fullrank.detection.annotations.checks import UNMASKED
from fullrank.detection.annotations.masks import backend
from fullrank.detection.encoders import open_encoder
from fullrank.detection.file import blank, decoding_of, network_of
from fullrank.detection.models import Detector, build
from fullrank.detection.options import DetectionData, DetectionOptions, DetectorSettings
from fullrank.detection.plan import Plan, check, make_plan, refuse_idle, refuse_other_processes
from fullrank.detection.presets import begin
from fullrank.detection.samples import require_taken
from fullrank.engine.checkpoint import begun_by, last_checkpoint
from fullrank.engine.device import world
from fullrank.engine.launcher import launched, process_rank, with_processes
from fullrank.engine.progress import say_once
from fullrank.errors import UserError
from fullrank.nn import SavedEncoder
from fullrank.runs import read_as_run, read_json, refuse_used
from fullrank.runs.kind import require_made_by
from fullrank.runs.reading import record_of


@dataclass(frozen=True, eq=False)
class Job:
    """One detection. `encoder` says where the encoder is from, `network` how to make it again."""

    saved: SavedEncoder
    encoder: Mapping[str, Any]
    settings: DetectorSettings
    options: DetectionOptions
    data: DetectionData
    train: Annotations
    val: Annotations
    images: Sequence[AnnotatedImage]
    plan: Plan
    control: bool

    @property
    def network(self) -> dict[str, Any]:
        """What makes the encoder's network again."""
        return network_of(self.saved)

    @property
    def decoding(self) -> Decoding:
        """How images are read."""
        return decoding_of(self.saved)

    def detector(self, *, untrained: bool = False) -> Detector:
        """A new detector on the encoder, or on one with random weights."""
        saved = self.saved.untrained(self.settings.seed) if untrained else self.saved
        own = dataclasses.replace(saved, encoder=copy.deepcopy(saved.encoder))  # training changes it
        return build(own, len(self.train.classes), self.settings)

    def kept(self) -> dict[str, Any]:
        """What config.json keeps of the data."""
        paths = {
            name: [str(path.resolve()) for path in value] if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self.data).items()
        }
        images = {name: str(value.resolve()) for name, value in paths.items() if isinstance(value, Path)}
        about = {"train": self.train.about(), "val": self.val.about(), "classes": list(self.train.classes)}
        return {"paths": paths | images, "sha256": fingerprint(self.train, self.val), **about}


def prepare(
    source: str | None,
    backbone: str | None,
    data: DetectionData,
    settings: DetectorSettings,
    options: DetectionOptions,
    console: Console,
    *,
    preset: str | None = None,
    control: bool = False,
) -> Job:
    """Read the annotations and the encoder, and check all that can be wrong before anything is written."""
    options = with_processes(options)
    if options.out is not None and process_rank() == 0:
        refuse_used(options.out)
    if control and source is None:
        raise UserError("--control is the detector from random weights, and this one is that: leave it out.")
    check(settings, options)
    refuse_idle(settings, begin(preset)[1])
    backend()
    saved, about = open_encoder(source, backbone, seed=settings.seed, say=partial(say_once, console))
    return _job(saved, about, data, settings, options, console, control)


def _job(
    saved: SavedEncoder,
    about: Mapping[str, Any],
    data: DetectionData,
    settings: DetectorSettings,
    options: DetectionOptions,
    console: Console,
    control: bool,
) -> Job:
    train, val = read_both(data, settings, partial(say_once, console))
    if data.voc_first is not None and "VOC" not in (train.kind, val.kind):
        raise UserError("--voc-first acts with VOC XML only: leave it away, or pass VOC XML.")
    if saved.encoder.channels == 1:
        say_once(console, "Images are read in gray, as the encoder takes.")
    images = [one for one in train.images if settings.empty or any(not thing.crowd for thing in one.things)]
    plan = make_plan(settings, options, len(images))
    job = Job(saved, about, settings, options, data, train, val, images, plan, control)
    for each in (images, val.images):
        require_taken(each, job.decoding)
    job.detector()  # what cannot be a detector is said before a folder is made
    return job


def read_both(data: DetectionData, settings: DetectorSettings, tell: Any) -> tuple[Annotations, Annotations]:
    """The two sets, with what was understood of them said."""
    first, masks = data.voc_first, settings.masks
    train = read_annotations(data.train, images=data.train_images, masks=masks, first=first, flag="train")
    tell(train.line())
    val = read_annotations(data.val, images=data.val_images, masks=masks, first=first, flag="val", like=train)
    tell(val.line())
    for flag, found in (("train", train), ("val", val)):
        if not any(one.things for one in found.images):
            if found.counted.get(UNMASKED):
                raise UserError(f"--{flag} has no masks: leave out --masks, or pass annotations with segmentations.")
            raise UserError(f"--{flag} has no box in any image that is there: pass annotations with boxes.")
    return train, val


def fingerprint(*sets: Annotations) -> str:
    """A hash of what is learned and scored: names, sizes, boxes and classes."""
    found = hashlib.sha256()
    for one in sets:
        for image in one.images:
            things = [(thing.box, thing.label, thing.crowd, thing.difficult) for thing in image.things]
            found.update(repr((image.path.name, image.width, image.height, things)).encode())
        found.update(repr(one.classes).encode())
    return found.hexdigest()


def again(run: Path, console: Console, moved: DetectionData) -> Job:
    """The job of a run that goes on; raises UserError where its data are not as they were."""
    config = read_json(run / "config.json")
    require_made_by("detect", run, config)
    with read_as_run(run):
        settings = record_of(DetectorSettings, config["settings"])
        then = dataclasses.replace(record_of(DetectionOptions, config["run"]), out=run)
        options = with_processes(then if launched() is None else dataclasses.replace(then, devices=None, nodes=1))
        _same_settings(run, settings)
        refuse_other_processes(settings.batch_size, world(options))
        job = _job(
            blank(config["network"]),
            config["encoder"],
            _paths(config["data"]["paths"], moved),
            settings,
            options,
            console,
            bool(config["control"]),
        )
        if fingerprint(job.train, job.val) != config["data"]["sha256"]:
            raise UserError(f"The annotations are not those that {run} began with: restore them, or begin a new run.")
    return job


def _paths(kept: Mapping[str, Any], moved: DetectionData) -> DetectionData:
    """Where annotations and images are now."""
    paths: dict[str, Any] = {
        "train": tuple(map(Path, kept["train"])),
        "val": tuple(map(Path, kept["val"])),
        "train_images": Path(kept["train_images"]) if kept["train_images"] else None,
        "val_images": Path(kept["val_images"]) if kept["val_images"] else None,
        "voc_first": kept["voc_first"],
    }
    return DetectionData(**paths | {name: value for name, value in vars(moved).items() if value not in (None, ())})


def _same_settings(run: Path, settings: DetectorSettings) -> None:
    """Refuse a run whose last checkpoint was trained with other settings than config.json names, or is damaged."""
    if not last_checkpoint(run).exists():
        return
    then = begun_by(run).learned or {}
    now = json.loads(json.dumps(dataclasses.asdict(settings)))
    if other := sorted(name for name, value in then.items() if now.get(name) != value):
        raise UserError(f"{run} was trained with another {other[0]} than its config.json names: put it back.")
