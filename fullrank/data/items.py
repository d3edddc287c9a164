"""One image of a data set that is not ours: a PIL image, an array, a tensor or a path, alone or with its label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fullrank.data.decode import Shrink, read_raw, upright
from fullrank.data.pixels import MOST_CHANNELS, Decoded, Decoding, Raw, finished

IMAGE_COLUMNS = ("image", "img", "picture", "pixels")


def image_of(item: object, column: str | None, decoding: Decoding, shrink: Shrink | None = None) -> Decoded:
    """The image of an item, if that is a path decoded no smaller than allowed; ValueError if there is none in it."""
    return finished(raw_of(item, column, shrink), decoding)


def raw_of(item: object, column: str | None, shrink: Shrink | None = None) -> Raw:
    """The pixels of an item: of a pair the first, of a mapping the named column.

    >>> raw_of((torch.zeros(3, 4, 5), 7), None).channels
    3
    """
    if isinstance(item, tuple | list) and item:
        item = item[0]
    if isinstance(item, Mapping):
        names = [column] if column else [name for name in IMAGE_COLUMNS if name in item]
        if len(names) != 1 or names[0] not in item:
            raise ValueError(f"an item has {', '.join(map(str, item))} and no single image")
        item = item[names[0]]
    if isinstance(item, Image.Image):
        return upright(item)
    if isinstance(item, str | Path):
        return read_raw(Path(item), shrink=shrink)
    if isinstance(item, torch.Tensor):
        values: Any = item.detach().cpu().numpy()
        return Raw(values[..., None] if values.ndim == 2 else np.moveaxis(values, 0, -1))
    if isinstance(item, np.ndarray):
        if item.ndim == 2:
            return Raw(item[..., None])
        if item.ndim == 3 and item.shape[2] > MOST_CHANNELS >= item.shape[0]:
            return Raw(np.moveaxis(item, 0, -1))
        if item.ndim == 3:
            return Raw(item)
    raise ValueError(f"a {type(item).__name__} is not an image: give PIL images, tensors (C, H, W), arrays or paths")


def label_of(item: object) -> Any:
    """The label of an item, None where it has none: of a pair the second, of a mapping its label."""
    if isinstance(item, tuple | list) and len(item) > 1:
        return item[1]
    return item.get("label") if isinstance(item, Mapping) else None
