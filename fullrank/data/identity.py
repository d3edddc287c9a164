"""Which data a run was trained on: where it lies, and a fingerprint of it that tells it from other data."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fullrank.data.files.find import whole_paths
from fullrank.data.images import Dataset, ImageItems, ImageSet, ImageTensor
from fullrank.data.options import DataOptions
from fullrank.data.sources.hub import place_and_config
from fullrank.data.sources.load import NAMES
from fullrank.data.sources.objects import is_place, places_in
from fullrank.errors import UserError
from fullrank.runs.reading import value_of

_ITEMS = 64  # of a data set of somebody else's, whose pixels stand for all
OBJECT = "object:"  # data that were passed from Python

Same = Literal["same", "other", "unknown"]


_FORMER_DEFAULTS = {"split": "auto", "labels": "auto", "max_corrupt": 0.1}  # where None is what nobody said


def fingerprint(images: ImageSet) -> dict[str, Any]:
    """The number of images, and a hash: of shape and bytes, or of the names and sizes of files below their folder.

    >>> import torch
    >>> black = ImageTensor(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), None, ())
    >>> fingerprint(black)["images"], fingerprint(black) == fingerprint(black)
    (2, True)
    """
    digest = hashlib.blake2b(digest_size=16)
    if isinstance(images, ImageTensor):
        digest.update(f"{tuple(images.images.shape)}".encode())
        for part in images.images.cpu().split(4096):
            digest.update(part.contiguous().numpy())
        return {"of": "shape and bytes", "images": len(images), "hash": digest.hexdigest()}
    if isinstance(images, ImageItems):
        rows = np.unique(np.linspace(0, len(images) - 1, _ITEMS).astype(int)).tolist()
        digest.update(f"{type(images.source).__name__} {len(images)}".encode())
        for row in rows:
            pixels = np.ascontiguousarray(images.open(row))
            digest.update(f"{pixels.shape}".encode() + pixels.tobytes())
        return {"of": f"{len(rows)} images, evenly spaced", "images": len(images), "hash": digest.hexdigest()}
    names = names_below(images.files)
    sizes = [os.stat(path).st_size for path in images.files] if images.sizes is None else images.sizes.tolist()
    said = "".join(f"{name}\0{size}\0" for name, size in zip(names, sizes, strict=True))
    digest.update(said.encode(errors="surrogateescape"))
    return {"of": "names and sizes", "images": len(images), "hash": digest.hexdigest()}


def names_below(files: Sequence[str]) -> list[str]:
    """The paths of files below the folder that they share.

    >>> names_below(["/data/cat/2021/1.png", "/data/dog/2.png"])
    ['cat/2021/1.png', 'dog/2.png']
    """
    paths = whole_paths(files)
    base = os.path.commonpath([os.path.dirname(path) for path in (min(paths), max(paths))])  # they share it with all
    return [path[len(base) :].replace(os.sep, "/").lstrip("/") for path in paths]


def hash_of_all(dataset: Dataset) -> str:
    """What tells the images, labels and classes of a whole data set from those of another, whatever their names.

    >>> import torch
    >>> images, labels = torch.zeros(2, 1, 4, 4, dtype=torch.uint8), torch.tensor([0, 1])
    >>> sets = [ImageTensor(images, each, ("a", "b")) for each in (labels, labels.flip(0))]
    >>> len({hash_of_all(Dataset("mine", one, None, (0.5,), (0.25,))) for one in sets})
    2
    """
    parts = [part for part in (dataset.train, dataset.test) if part is not None]
    said = [(fingerprint(part), part.classes, None if part.labels is None else part.labels.tolist()) for part in parts]
    return hashlib.blake2b(repr(said).encode(), digest_size=16).hexdigest()


def kept_in_config(dataset: Dataset) -> dict[str, Any]:
    """What config.json keeps of the data beside its place: what was understood, and the fingerprint."""
    return {
        "understood": dataset.inventory().to_json(),
        "fingerprint": fingerprint(dataset.train),
        "channels": dataset.train.channels,
        "range": None if dataset.range is None else [*dataset.range],
    }


def options_of(config: Mapping[str, Any]) -> DataOptions:
    """How other images are read for the encoder of a run: as its own were, with their range."""
    options, span = DataOptions.from_json(config["settings"]), config.get("data", {}).get("range")
    if options.range is None and span is not None:
        options = replace(options, range=f"{span[0]!r},{span[1]!r}")
    if "pages" not in config["settings"]:  # version 0.1.0 took the first
        options = replace(options, pages="first")
    unsaid: dict[str, Any] = {name: None for name, value in _FORMER_DEFAULTS.items() if getattr(options, name) == value}
    return replace(options, **unsaid)


def reading_of(config: Mapping[str, Any], given: DataOptions | None, data: object) -> DataOptions:
    """How `data` (None: those of the run) are read for its encoder, and as somebody `given` says otherwise.

    Its own are read as they were, and of others only the pixels.
    """
    own = options_of(config)
    return (own if _is_own_place(config, data) else own.of_pixels()).changed_by(given or DataOptions())


def read_for(
    config: Mapping[str, Any], given: DataOptions | None, data: object, load: Callable[..., Dataset]
) -> tuple[Dataset, Same]:
    """The images that `load` reads, by options=, for the encoder of a run, and whether they are its own, maybe at a new
    place.
    """
    options, own = reading_of(config, given, data), options_of(config).changed_by(given or DataOptions())
    if options != own:
        with suppress(UserError):  # other images may have no such splits or classes
            moved = load(options=own)
            if (same := compared(config, moved)) != "other":
                return moved, same
    dataset = load(options=options)
    return dataset, compared(config, dataset)


def _is_own_place(config: Mapping[str, Any], data: object) -> bool:
    given, kept = places_in(data) if is_place(data) else [], config["settings"].get("data")
    if data is None or not kept:
        return data is None
    return bool(given) and absolute(given[0] if len(given) == 1 else given) == absolute(kept)


def absolute(data: str | Sequence[str]) -> str | list[str]:
    """The place of data that means the same from every working directory; names of data sets are kept.

    >>> absolute("digits"), absolute("/a/photos/")
    ('digits', '/a/photos')
    """
    if not isinstance(data, str):
        return [str(Path(name).absolute()) for name in data]
    name = data.removeprefix("hf:")
    place, config = place_and_config(name)
    if data != name and place and Path(place).exists():
        return f"hf:{Path(place).absolute()}" + (f":{config}" if config else "")
    return data if _is_name(data) else str(Path(data).absolute())


def place_of(run: Path, config: Mapping[str, Any], given: Sequence[str] | None) -> str | list[str]:
    """Where the data of a run is: what was `given` in its stead, or what its config.json says, if it is there."""
    if given:
        return given[0] if len(given) == 1 else [*given]
    data = value_of("data", str | tuple[str, ...], config["settings"].get("data"))
    for name in [data] if isinstance(data, str) else data:
        if name.startswith(OBJECT):
            what = name.removeprefix(OBJECT)
            raise UserError(f"The data of {run} were an object ({what}): pass it again, as data= from Python.")
        if not _is_name(name) and not Path(name).exists():
            raise UserError(f"{name}, the data of {run}, is not there: pass --data with its place of today.")
    return data if isinstance(data, str) else [*data]


def compared(config: Mapping[str, Any], dataset: Dataset) -> Same:
    """Whether these are the training images of a run; unknown for runs of version 0.1.0, which kept no fingerprint."""
    kept = config.get("data", {}).get("fingerprint")
    if kept is None:
        return "unknown"
    return "same" if fingerprint(dataset.train) == kept else "other"


def unknown_data(run: Path, config: Mapping[str, Any]) -> str:
    """What is said of a run without a fingerprint."""
    version = config.get("fullrank", "0.1.0")
    return f"{run} (of version {version}) keeps no fingerprint of its data: that they are the same is not checked."


def other_data(run: Path, config: Mapping[str, Any], dataset: Dataset, remedy: str) -> UserError:
    """The sentence about data that are not those of the run."""
    was, now = config["data"]["fingerprint"]["images"], len(dataset.train)
    return UserError(
        f"{dataset.name} holds other images than {run} was trained on ({was:,} then, {now:,} now, by names and sizes "
        f"or bytes): put them back, {remedy}."
    )


def quoted(data: str | Sequence[str]) -> str:
    """Data as it is written behind --data in a shell.

    >>> quoted("my photos"), quoted(["a", "b c"])
    ("'my photos'", "a 'b c'")
    """
    return shlex.join([data] if isinstance(data, str) else data)


def _is_name(data: str) -> bool:
    return data in NAMES or data.startswith(("hf:", "torchvision:", OBJECT))
