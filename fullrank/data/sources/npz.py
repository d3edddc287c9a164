"""An .npz file with `images`, or with those of several splits, and maybe their labels; never unpickled."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fullrank.data.files.look import IDLE_RANGE, chosen_range, parse_range
from fullrank.data.files.names import role
from fullrank.data.images import ImageTensor
from fullrank.data.options import DataOptions
from fullrank.data.pixels import MOST_CHANNELS, channels_last, eight_bit
from fullrank.data.sources.splits import by_classes_of, chosen_splits
from fullrank.errors import UserError
from fullrank.runs.arrays import DAMAGE, is_bomb, names_of, unpacked
from fullrank.stats.sketch.memory import require_memory

Array = npt.NDArray[Any]

_PIXELS = 1 << 22  # of all images, for their percentiles


@dataclass(frozen=True, eq=False)
class Read:
    """Images, what became 0 and 255 where they had more than 8 bits, what was decided, and the images to test on."""

    images: ImageTensor
    range: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    test: ImageTensor | None = None


def read_npz(path: Path, options: DataOptions | None = None) -> Read:
    """Read `images` (N, H, W), (N, H, W, C) or (N, C, H, W), whole numbers or floats, and `labels` (N,).

    In their place it may have `train_images`, `train_labels`, `val_images`, `test_images` and so on, as MedMNIST has
    them, or `x_train`, `y_train`, `x_test`, as Keras does. C is at most 16; where both readings fit, `channels` of the
    options says what it is, and where 1 or 3 fit one of them, or channels last, that is meant. Numbers of more than 8
    bits are read by their range, or by that of the options; floats are in [0, 1], or in that. Labels are integers (-1
    is unknown) or strings; the classes are their sorted values. Raises UserError for anything else.
    """
    options = options or DataOptions()
    span = parse_range(options.range)
    arrays, train, test, notes = _arrays(path, options.split, labels=options.labels != "none")
    read = _to_train(_read(*arrays[train], path, options, span), path)
    if test is None:
        return replace(read, notes=(*notes, *read.notes))
    if arrays[test][0].dtype != arrays[train][0].dtype:
        raise UserError(
            f"{path}: images of {train} are {arrays[train][0].dtype}, those of {test} {arrays[test][0].dtype}: save "
            f"both alike, or pass --split {train}."
        )
    like = replace(options, channels=read.images.channels)
    beside = _read(*arrays[test], Path(f"{path}, {test}"), like, read.range or span).images
    return replace(read, notes=(*notes, *read.notes), test=by_classes_of(read.images, beside))


def images_of_arrays(images: Array, labels: Array | None, name: str, options: DataOptions) -> Read:
    """The same of arrays in memory."""
    labels = None if options.labels == "none" else labels
    return _to_train(_read(images, labels, Path(name), options, parse_range(options.range)), name)


def _to_train(read: Read, name: Path | str) -> Read:
    """What was read; raises UserError where it is too little to train on."""
    if len(read.images) < 2:
        raise UserError(f"{name} holds one image, and training needs at least 2: add images.")
    return read


def _read(
    given: Array, labels: Array | None, path: Path, options: DataOptions, span: tuple[float, float] | None
) -> Read:
    first = _channels_first(given, path, options.channels)
    values, chosen, notes = _bytes(first, path, span)
    if given.ndim == 4 and given.shape[1] == given.shape[3]:
        notes = (*notes, f"of the shape {given.shape} the last axis was taken for the channels, not the second")
    images = torch.from_numpy(np.ascontiguousarray(values))
    if labels is None:
        return Read(ImageTensor(images, None, ()), chosen, notes)
    numbers, classes = numbered(labels, len(images), path, options.flag("labels"))
    return Read(ImageTensor(images, torch.from_numpy(numbers), classes), chosen, notes)


Pair = tuple[Array, Array | None]


def _arrays(path: Path, split: str | None, *, labels: bool) -> tuple[dict[str, Pair], str, str | None, list[str]]:
    """Images and labels of the splits to train and to test on, the names of these, and what is to be said of them."""
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is not an .npz file, or it is cut off: write it again with numpy.savez.")
    try:
        with zipfile.ZipFile(path) as archive:
            given = names_of(archive)
            names = _named(given, path)
            train, test, notes = chosen_splits(str(path), list(names), split)
            known = [name for pair in names.values() for name in pair]
            if beside := [name for name in given if name not in known]:
                notes = [*notes, f"{', '.join(beside)} not used"]
            for info in archive.infolist():
                if is_bomb(info.compress_size, info.file_size):
                    raise UserError(
                        f"{path} unpacks from {info.compress_size:,} to {info.file_size:,} bytes: if it is meant, "
                        "write it with numpy.savez, which does not pack."
                    )
            used = [part for part in (train, test) if part is not None]
            size = sum(archive.getinfo(f"{names[part][0]}.npy").file_size for part in used)
            require_memory(size, f"The images of {path}", "pass a folder of images, which are read as they are needed")
            arrays = {part: _pair(archive, names[part][0], names[part][1] if labels else None) for part in used}
            return arrays, train, test, notes
    except DAMAGE as error:
        what = str(error) or type(error).__name__
        raise UserError(f"{path} cannot be read ({what}): save plain numbers with numpy.savez.") from error


def _pair(archive: zipfile.ZipFile, images: str, labels: str | None) -> Pair:
    return unpacked(archive, images), unpacked(archive, labels) if labels else None


def _named(names: Sequence[str], path: Path) -> dict[str, tuple[str, str | None]]:
    """The arrays of images and of labels of every split; plain `images` are to train on.

    >>> _named(["x_train", "y_train", "x_test", "masks"], Path("a.npz"))
    {'train': ('x_train', 'y_train'), 'test': ('x_test', None)}
    """
    found: dict[str, tuple[str, str | None]] = {}
    parts = [name.removesuffix("_images").removeprefix("x_").removeprefix("X_") for name in names]
    for name, split in zip(names, parts, strict=True):
        if name != "images" and (split == name or not role(split, parts)):
            continue
        part = "train" if name == "images" else split
        labels = [name.removesuffix("images") + "labels"] if name.endswith("images") else [f"y_{split}", f"Y_{split}"]
        if part in found:
            raise UserError(f"{path} has {found[part][0]} and {name}, and both would be {part}: save one of them.")
        found[part] = name, next((one for one in labels if one in names), None)
    if not found:
        raise UserError(
            f"{path} has no array named images (it has: {', '.join(names)[:200] or 'nothing'}): save it with "
            "numpy.savez(file, images=..., labels=...), or with train_images=..., test_images=... and so on."
        )
    return found


def _bytes(
    images: Array, path: Path, span: tuple[float, float] | None
) -> tuple[Array, tuple[float, float] | None, tuple[str, ...]]:
    if images.dtype in (np.uint8, np.bool_):
        levels = images if images.dtype == np.uint8 else images.astype(np.uint8) * 255
        return levels, None, () if span is None else (IDLE_RANGE,)
    floats = bool(np.issubdtype(images.dtype, np.floating))
    if not floats and not np.issubdtype(images.dtype, np.integer):
        raise UserError(f"{path}: images are {images.dtype}: save them as whole numbers, or as float in [0, 1].")
    if floats and not np.isfinite(images).all():
        raise UserError(f"{path}: images contain NaN or infinity: repair or remove these images.")
    whole = float(images.min()), float(images.max())
    inner = np.percentile(images.reshape(-1)[:: max(1, images.size // _PIXELS)], (0.1, 99.9))
    what = f"{path.name}: images of {images.dtype}"
    chosen, notes = chosen_range(whole, (float(inner[0]), float(inner[1])), span, floats=floats, what=what)
    parts = [eight_bit(part, chosen or (0.0, 1.0)) for part in np.array_split(images, max(1, len(images) // 1024))]
    return np.concatenate(parts), chosen, tuple(notes)


def _channels_first(images: Array, path: Path, channels: int | None) -> Array:
    given = images.shape
    if given[:1] == (0,):
        raise UserError(f"{path} holds no images: add some, or pass --split with splits that have some.")
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and _at_end(images, path, channels):
        images = images.transpose(0, 3, 1, 2)
    fits = channels in (None, images.shape[1]) if images.ndim == 4 else False
    if images.ndim != 4 or not 1 <= images.shape[1] <= MOST_CHANNELS or 0 in images.shape or not fits:
        wanted = "1 channel" if channels == 1 else f"{channels or f'1 to {MOST_CHANNELS}'} channels"
        raise UserError(
            f"{path}: images have shape {given}: save them as (N, H, W), (N, H, W, C) or (N, C, H, W) with {wanted}."
        )
    return images


def _at_end(images: Array, path: Path, channels: int | None) -> bool:
    """Whether the last axis is that of the channels; raises UserError where it could be both."""
    first, last = images.shape[1], images.shape[3]
    found = channels_last(first, last, channels)
    if found is None and first != last and {first, last} != {1, 3}:
        raise UserError(
            f"{path}: images have shape {images.shape}, with the channels first or last: pass --channels {first} or "
            f"--channels {last}."
        )
    return found is not False


def numbered(labels: Array, count: int, path: Path, flag: str = "--labels") -> tuple[Array, tuple[str, ...]]:
    """Labels (N,) or (N, 1), whole numbers or strings, as numbers of classes and their names; -1 stays unknown."""
    if labels.shape == (count, 1):  # as MedMNIST has them
        labels = labels[:, 0]
    if labels.shape != (count,):
        raise UserError(
            f"{path}: labels have shape {labels.shape} for {count} images: save one label per image, "
            f"or pass {flag} none."
        )
    if labels.dtype.kind not in "iuU":
        raise UserError(f"{path}: labels are {labels.dtype}: save integers or strings, or pass {flag} none.")
    values, numbers = np.unique(labels, return_inverse=True)
    if labels.dtype.kind == "i" and values[0] < -1:
        raise UserError(f"{path}: labels go down to {values[0]}: use 0 and more, or -1 for unknown.")
    if labels.dtype.kind == "i" and values[0] == -1:  # -1 stays -1: unknown
        values, numbers = values[1:], numbers - 1
    return numbers.astype(np.int64), tuple(str(value) for value in values)
