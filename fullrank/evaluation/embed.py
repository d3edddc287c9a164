"""Images to files of embeddings: in parts that survive a kill, in shards for several processes, in bounded memory."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor

from fullrank.data import (
    DataOptions,
    Dataset,
    ImageFolder,
    ImageItems,
    ImageSet,
    ImageTensor,
    load_dataset,
    select,
    with_channels,
)
from fullrank.data.files.alone import read_alone
from fullrank.data.files.find import whole_paths
from fullrank.data.files.lists import ENDINGS
from fullrank.data.files.parts import below
from fullrank.data.identity import fingerprint, reading_of
from fullrank.embeddings.writers import Rows, Table, check_out, rows_file, write_embeddings
from fullrank.engine.launcher import process_rank, processes
from fullrank.engine.options import require_numbers
from fullrank.errors import UserError
from fullrank.evaluation.features import features_of
from fullrank.evaluation.model import Model
from fullrank.runs import read_json, write_json
from fullrank.runs.reading import is_run
from fullrank.terminal import bars, say

PART = 1024  # rows that are encoded, and then kept, together


@dataclass(frozen=True, eq=False)
class Images:
    """What is embedded: sets of images one after another, a column of words for each row, and where names begin."""

    sets: tuple[ImageSet, ...]
    columns: dict[str, list[str]]
    root: str | None

    def __len__(self) -> int:
        return sum(map(len, self.sets))


def images_of(
    data: Sequence[str], *, channels: int, root: Path | None, options: DataOptions, say: Callable[[str], None]
) -> Images:
    """The images that paths or a data set's name stand for, with so many channels: training images, then test."""
    images = [Path(name) for name in data if Path(name).is_file() and not name.lower().endswith((".npz", *ENDINGS))]
    if 0 < len(images) < len(data):
        raise UserError(f"{images[0]} is an image, and other data is not: pass images alone, or folders alone.")
    if images:
        dataset = read_alone(images, options, channels)
    else:
        dataset = with_channels(load_dataset([*data], root=root, options=options, say=say), channels)
    say(dataset.inventory().line())
    return images_in(dataset)


def images_in(dataset: Dataset) -> Images:
    """All images of a data set, with names, labels where they are known, and whether they are of its test set."""
    sets = (dataset.train,) if dataset.test is None else (dataset.train, dataset.test)
    files = whole_paths(file for images in sets if isinstance(images, ImageFolder) for file in images.files)
    root = os.path.commonpath([os.path.dirname(file) for file in files]) if files else None
    start = len(below(root or ""))
    names = [file[start:] for file in files] or [str(at) for at in range(sum(map(len, sets)))]
    columns = {"name": names}
    if any(images.labels is not None for images in sets):
        columns["label"] = [word for images in sets for word in _words(images)]
    if dataset.test is not None:
        columns["split"] = ["train"] * len(dataset.train) + ["test"] * len(dataset.test)
    texts = {name: [_text(value) for value in values] for name, values in columns.items()}
    return Images(sets, texts, None if root is None else os.path.realpath(root))


def _text(name: str) -> str:
    r"""A name as text: bytes of a file's name that are none are written as escapes.

    >>> _text(os.fsdecode(b"caf\xe9.png"))
    'caf\\xe9.png'
    """
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _words(images: ImageSet) -> list[str]:
    """The class of each image in words, empty where it is not known."""
    if images.labels is None:
        return [""] * len(images)
    return [images.classes[label] if label >= 0 else "" for label in images.labels.tolist()]


def read_as_trained(model: Model, given: DataOptions, data: object) -> DataOptions:
    """How images are read for an encoder: as those of its run were, with their range, and as `given` says otherwise.

    Of other images than the run's own only the pixels are read so.
    """
    run = Path(model.place)
    if is_run(run):
        return reading_of(read_json(run / "config.json"), given, data)
    if given.range is None and model.range is not None:
        return replace(given, range=f"{model.range[0]!r},{model.range[1]!r}")
    return given


@dataclass(frozen=True)
class Shards:
    """How many files are written, and which of them by this process; more than one are NAME-00000-of-00004.ENDING."""

    count: int
    mine: tuple[int, ...]

    @classmethod
    def of(cls, count: int | None, one: int | None) -> Shards:
        """By what the user said, or by the launcher's number of processes; raises UserError for what cannot be.

        >>> Shards.of(4, 1), Shards.of(2, None)
        (Shards(count=4, mine=(1,)), Shards(count=2, mine=(0, 1)))
        >>> Shards.of(10**18, None)
        Traceback (most recent call last):
        fullrank.errors.UserError: --shards 1000000000000000000 is too large: pass 100000 or less.
        """
        world = processes()
        rank = process_rank() if world > 1 else 0
        total = world if count is None else count
        require_numbers({"shards": total}, {"shards": 1})
        if one is not None and not 0 <= one < total:
            raise UserError(f"--shard {one} is none of {total}: pass --shards, and a number below it.")
        return cls(total, tuple(range(rank, total, world)) if one is None else (one,))


def embed_to(
    out: Path,
    model: Model,
    images: Images,
    *,
    shards: Shards,
    batch_size: int,
    workers: int,
    console: Console,
) -> list[Path]:
    """Write the embeddings of images, and go on where a killed process stopped; the files of this process.

    Parts are kept in OUT.parts until the files are whole. Raises UserError if there is a file already, or parts of
    another encoder or of other images.
    """
    check_out(out)
    require_numbers({"batch_size": batch_size, "workers": workers}, {"batch_size": 1, "workers": 0})
    if len(images) == 0:
        raise UserError("There is no image to embed: pass at least one.")
    ranges = _ranges(len(images), shards.count)
    parts = out.with_name(f"{out.name}.parts")
    about = {"encoder": model.place, "encoder_sha256": identity(model), "root": images.root}
    files = [shard_name(out, at, shards.count) for at in shards.mine]
    _begin(parts, {**about, "images": _hash(images), "shards": shards.count}, files)
    for at, file in zip(shards.mine, files, strict=True):
        if not (parts / f"{file.name}.done").exists():
            _shard(file, ranges[at], parts, model, images, about, batch_size, workers, console)
            (parts / f"{file.name}.done").touch()
    if len([*parts.glob("*.done")]) == shards.count:
        shutil.rmtree(parts, ignore_errors=True)
    return files


def shard_name(out: Path, at: int, count: int) -> Path:
    """The file of a shard.

    >>> shard_name(Path("z.npy"), 1, 4).name, shard_name(Path("z.npy"), 0, 1).name
    ('z-00001-of-00004.npy', 'z.npy')
    """
    return out if count == 1 else out.with_name(f"{out.stem}-{at:05}-of-{count:05}{out.suffix}")


def identity(model: Model) -> str:
    """A hash of an encoder's weights and of how pixels enter it."""
    found = hashlib.sha256(json.dumps([model.encoder.name, model.mean, model.std, model.encoder.image_size]).encode())
    for name, value in model.encoder.state_dict().items():
        found.update(name.encode() + value.cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _hash(images: Images) -> str:
    found = hashlib.sha256()
    for values in zip(*images.columns.values(), strict=True):
        found.update("\0".join(values).encode() + b"\n")
    for part in images.sets:
        if isinstance(part, ImageTensor):
            found.update(part.images.cpu().numpy().tobytes())
        elif isinstance(part, ImageItems):
            found.update(repr(fingerprint(part)).encode())
        else:
            stats = map(os.stat, part.files)
            found.update(repr([(file.st_size, file.st_mtime_ns) for file in stats]).encode())
    return found.hexdigest()


def _ranges(n: int, count: int) -> list[range]:
    """Rows of each shard, contiguous."""
    if count > n:
        raise UserError(f"--shards {count} is more than the {n} images: pass {n} or fewer.")
    edges = [n * at // count for at in range(count + 1)]
    return [range(low, high) for low, high in pairwise(edges)]


def _begin(parts: Path, about: dict[str, Any], files: list[Path]) -> None:
    """Make the folder of parts, or find it as it was left."""
    if (parts / "about.json").exists():
        if read_json(parts / "about.json") != about:
            raise UserError(f"{parts} holds parts of other embeddings: remove it, or pass another --out.")
        return
    for file in files:
        for taken in (file, rows_file(file)):
            if taken and taken.exists():
                raise UserError(f"{taken} exists already: pass another --out, or remove it.")
    parts.mkdir(exist_ok=True)
    write_json(parts / "about.json", about)


def _shard(
    file: Path,
    rows: range,
    parts: Path,
    model: Model,
    images: Images,
    about: dict[str, Any],
    batch_size: int,
    workers: int,
    console: Console,
) -> None:
    """Encode what is not yet kept of a shard, write its file, and drop its parts."""
    kept = [
        (parts / f"{low:012}.npy", range(low, min(low + PART, rows.stop))) for low in range(rows.start, rows.stop, PART)
    ]
    missing = [(path, part) for path, part in kept if not path.exists()]
    if len(missing) < len(kept):
        done = sum(len(part) for path, part in kept if path.exists())
        say(console, f"{file}: {done:,} of {len(rows):,} rows were there already.")
    with bars(console) as drawn:
        bar = drawn.add_task(f"Embedding {file.name}", total=sum(len(part) for _, part in missing))
        for path, part in missing:
            _keep(path, _encode(model, images, part, batch_size, workers))
            drawn.advance(bar, len(part))
    some = {name: values[rows.start : rows.stop] for name, values in images.columns.items()}

    def chunks() -> Iterator[Rows]:
        for path, _ in kept:
            yield np.load(path, allow_pickle=False)

    write_embeddings(file, Table(len(rows), model.encoder.width, chunks, some, about))
    for path, _ in kept:
        path.unlink()


def _keep(path: Path, rows: Rows) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}.npy")
    np.save(beside, rows)
    os.replace(beside, path)


def _encode(model: Model, images: Images, rows: range, batch_size: int, workers: int) -> Rows:
    """The embeddings of some rows."""
    found: list[Tensor] = []
    first = 0
    for part in images.sets:
        here = range(max(rows.start - first, 0), min(rows.stop - first, len(part)))
        first += len(part)
        if len(here):
            chosen = select(part, torch.arange(here.start, here.stop))
            found += features_of(model, chosen, batch_size=batch_size, workers=workers)
    z: Tensor = torch.cat(found)
    return z.numpy()
