"""`fullrank diagnose RUN --data IMAGES`: images through a frozen encoder, and the report on its output."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path

from rich.console import Console

from fullrank.data import DataOptions, ImageSet, load_dataset, with_channels
from fullrank.data.identity import Same, read_for
from fullrank.diagnosis.diagnose import diagnose_sketch
from fullrank.diagnosis.known import NOTHING, Known, parts_of
from fullrank.diagnosis.profiles import find_profile
from fullrank.diagnosis.report import Report
from fullrank.diagnosis.training import profile_of
from fullrank.errors import UserError
from fullrank.evaluation.embed import read_as_trained
from fullrank.evaluation.features import features_of
from fullrank.evaluation.model import open_model
from fullrank.nn import SavedEncoder
from fullrank.nn.encoder import OBJECT
from fullrank.runs import read_as_run, read_config
from fullrank.runs.reading import is_run
from fullrank.runs.trusted import is_file_of_code
from fullrank.stats.sketch import Sketch, sketch
from fullrank.terminal import say, watched


def image_report(
    source: str, data: tuple[str, ...], *, profile: str | None, seed: int, trust: bool, console: Console
) -> tuple[Report, list[str]]:
    """The report on the representation of all training images of `data`, and the names of their classes.

    `source` is the folder of a run, the file of an encoder, timm:NAME or torchvision:NAME.
    """
    saved = open_model(source, trust=trust, say=partial(say, console))
    of_a_run = is_run(Path(source))
    config = read_config(Path(source)) if of_a_run else {"settings": {}}
    of_run = profile_of(str(config["recipe"])).name if of_a_run else "generic"
    objective = find_profile(profile or of_run)
    with read_as_run(Path(source)):
        root = config["settings"].get("data_root")
        load = partial(load_dataset, data, root=None if root is None else Path(root))
        same: Same = "unknown"
        if of_a_run:
            dataset, same = read_for(config, None, data, load)
        else:
            dataset = load(options=read_as_trained(saved, DataOptions(), data))
        numbers = Known(of_run=True, numbers=parts_of(config["recipe"], config["settings"])) if of_a_run else NOTHING
    dataset = with_channels(dataset, saved.encoder.channels)
    said = {"same": "the training images", "other": "other images than it was trained on", "unknown": "images"}[same]
    line = f"{dataset.inventory().line()}; {said} through the encoder of {source}"
    say(console, line)
    labels = dataset.train.labels
    known = labels is not None and bool((labels >= 0).all())
    report = partial(
        diagnose_sketch,
        labels=labels if known else None,
        profile=objective.name,
        where="backbone",
        source=f"{source} on {dataset.name}",
        read_as=line,
        seed=seed,
        known=numbers,
    )
    found = _sketch(saved, dataset.train, seed, console)
    made = report(found)
    fresh = None if made.verdict == "healthy" else untrained(saved, seed)
    if fresh is not None:  # a low rank may be the images' own
        earlier = _sketch(fresh, dataset.train, seed, console, "Encoding, untrained")
        with suppress(UserError):  # untrained, it may give one point, which has no rank to compare
            made = report(found, earlier)
    return made, [*dataset.train.classes] if known else []


def untrained(saved: SavedEncoder, seed: int) -> SavedEncoder | None:
    """The network as it was before training; None where nothing but somebody's own code makes it again."""
    name = saved.encoder.name
    if name.startswith(OBJECT) or is_file_of_code(name):
        return None
    with suppress(UserError):  # an export may name a network that is not one of these libraries
        return saved.untrained(seed)
    return None


def _sketch(saved: SavedEncoder, images: ImageSet, seed: int, console: Console, doing: str = "Encoding") -> Sketch:
    """The sketch of the features of all images."""
    rows = features_of(saved, images, workers=2)
    return sketch(watched(rows, len(images), doing, "images", console=console, size=len), n=len(images), seed=seed)
