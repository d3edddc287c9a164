"""Data that are objects of Python: tensors, arrays, lists of images, and map-style data sets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fullrank.data.decode import reason, strict_decoding
from fullrank.data.files.find import image_endings
from fullrank.data.files.look import channels_of, look_at, range_of
from fullrank.data.images import Dataset, ImageItems
from fullrank.data.items import as_array, label_of, raw_of
from fullrank.data.options import DataOptions
from fullrank.data.sources.npz import images_of_arrays, numbered
from fullrank.data.sources.pixels import measured, sampled
from fullrank.data.sources.splits import by_classes_of
from fullrank.errors import UserError

_SOME = 256  # items whose channels and values stand for those of all


def from_object(data: object, options: DataOptions) -> Dataset:
    """A `Dataset` of what somebody made in Python; raises UserError for what has no images by index.

    A tensor or array (N, H, W), (N, H, W, C) or (N, C, H, W); a pair of it and labels (N,); a list of PIL images,
    arrays, tensors (C, H, W) or paths; or anything with a length and images by index, alone or as (image, label).

    >>> from_object(torch.zeros(5, 3, 8, 8, dtype=torch.uint8), DataOptions()).inventory().line()
    'Tensor: 5 images, no labels, no test set'
    """
    if isinstance(data, Dataset):
        return data
    name = type(data).__name__
    if is_array(data):
        images, labels = data if isinstance(data, tuple) else (data, None)
        known = None if labels is None or options.labels == "none" else stacked(labels, name, options)
        read = images_of_arrays(as_array(images), known, name, options)
        made = measured(name, read.images, None)
        return Dataset(name, made.train, None, made.mean, made.std, {}, read.notes, read.range)
    if isinstance(data, str | bytes | dict) or not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise UserError(
            f"A {name} has no images by index: pass a path, a tensor, an array, a list of images, or a data set with "
            "__len__ and __getitem__."
        )
    labels, classes = (None, ()) if options.labels == "none" else _labels(data, options)
    images = items(data, labels=labels, classes=classes, options=options)
    return as_dataset(name, images[0], None, images[1])


def is_place(data: object) -> bool:
    """Whether data are named by paths or names, and not an object with images.

    >>> is_place("photos"), is_place(["a", "b"]), is_place(["a.jpg", "b.jpg"]), is_place([])
    (True, True, False, False)
    """
    if isinstance(data, list | tuple) and data and all(isinstance(each, str | Path) for each in data):
        return not all(Path(each).suffix.lower() in image_endings() for each in data)
    return isinstance(data, str | Path)


def is_object(data: object) -> bool:
    """Whether data are an object with images, and not their place."""
    return data is not None and not is_place(data)


def places_in(data: Any) -> list[str]:
    """The names and paths of data, none for None."""
    return [] if data is None else [str(data)] if isinstance(data, str | Path) else [str(each) for each in data]


def is_array(data: object) -> bool:
    """Whether data are a tensor or an array, or a pair of one and its labels.

    >>> is_array(torch.zeros(2, 8, 8)), is_array((torch.zeros(2, 8, 8), [0, 1])), is_array([torch.zeros(8, 8)])
    (True, True, False)
    """
    images = data[0] if isinstance(data, tuple) and len(data) == 2 else data
    return isinstance(images, torch.Tensor | np.ndarray)


def items(
    source: Any, *, labels: torch.Tensor | None, classes: Sequence[str], options: DataOptions, column: str | None = None
) -> tuple[ImageItems, tuple[str, ...]]:
    """The images of a map-style data set, and notes on channels and range, from evenly spaced items."""
    if len(source) == 0:
        raise UserError("The data set holds no images: add images.")
    looks = []
    for row in np.unique(np.linspace(0, len(source) - 1, _SOME).astype(int)).tolist():
        try:
            with strict_decoding(options.max_pixels):
                looks.append(look_at([raw_of(source[row], column, channels=options.channels)], options.channels))
        except UserError:
            raise
        except Exception as error:  # their code raises anything
            raise UserError(f"Item {row} of the data cannot be read ({reason(error)}): repair or remove it.") from error
        if looks[-1].problem:
            raise UserError(f"Item {row} of the data set has {looks[-1].problem}: repair or remove it.")
    channels, on_channels = channels_of(looks, options)
    span, on_range = range_of(looks, options)
    rows = torch.arange(len(source))
    read = {"column": column, "range": span, "max_pixels": options.max_pixels}
    made = ImageItems(source, rows, labels, tuple(classes), channels, **read)  # type: ignore[arg-type]
    return made, (*on_channels, *on_range)


def as_dataset(name: str, train: ImageItems, test: ImageItems | None, notes: tuple[str, ...]) -> Dataset:
    """With mean and standard deviation of the images; the test labels count the classes of the training images."""
    if len(train) < 2:
        raise UserError(f"{name} holds one image, and training needs at least 2: add images.")
    mean, std = sampled(train)
    test = None if test is None else by_classes_of(train, test)
    return Dataset(name, train, test, mean, std, {}, notes, train.range)


def _labels(data: Any, options: DataOptions) -> tuple[torch.Tensor | None, tuple[str, ...]]:
    """From an attribute of the data set, or by going through all items once, where the first has a label."""
    names = getattr(data, "classes", None)
    for attribute in ("targets", "labels", "_labels", "y"):
        found = getattr(data, attribute, None)
        if found is not None and len(found) == len(data):
            return named(stacked(found, "The data set", options), names)
    first = _item(data, 0, options) if len(data) else None
    if isinstance(first, str | Path) or label_of(first) is None:
        return None, ()
    labels = [label_of(_item(data, row, options)) for row in range(len(data))]
    return named(stacked(labels, "The data set", options), names)


def _item(data: Any, row: int, options: DataOptions) -> Any:
    try:
        with strict_decoding(options.max_pixels):
            return data[row]
    except Exception as error:  # their code raises anything
        raise UserError(f"Item {row} of the data cannot be read ({reason(error)}): repair or remove it.") from error


def stacked(labels: Any, name: str, options: DataOptions) -> Any:
    """Labels as one array (N, ...); raises UserError where one of them is not a number or a string."""
    if isinstance(labels, torch.Tensor | np.ndarray):
        return as_array(labels)
    plain = [_plain(label) for label in labels]
    for row, label in enumerate(plain):
        if not isinstance(label, str | int | float | np.generic):
            raise UserError(
                f"{name}: the label of item {row} is a {type(label).__name__}, and not one number or string: give one "
                f"label per image, or pass {options.flag('labels')} none."
            )
    return np.array(plain)


def _plain(label: Any) -> Any:
    """A label as a number of Python where it is a tensor or an array of one."""
    one = isinstance(label, torch.Tensor | np.ndarray) and label.reshape(-1).shape == (1,)
    return label.item() if one else label


def named(values: Any, names: Sequence[str] | None) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Labels (N,) as numbers, and the names of the classes: those of the data set where they fit."""
    if (
        names is not None
        and values.dtype.kind in "iu"
        and values.size
        and -1 <= values.min() <= values.max() < len(names)
    ):
        said = [", ".join(name) if isinstance(name, tuple) else str(name) for name in names]  # synonyms, of ImageNet
        return torch.from_numpy(values.astype(np.int64)), tuple(said)
    numbers, classes = numbered(values, len(values), Path("The data set"))
    return torch.from_numpy(numbers), classes
