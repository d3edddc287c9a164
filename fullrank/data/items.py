"""One image of a data set that is not ours: a PIL image, an array, a tensor or a path, alone or with its label."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fullrank.data.decode import Shrink, read_raw, upright
from fullrank.data.pixels import MOST_CHANNELS, Array, Decoded, Decoding, Raw, channels_last, finished
from fullrank.errors import UserError

IMAGE_COLUMNS = ("image", "img", "picture", "pixels")


def image_of(item: object, column: str | None, decoding: Decoding, shrink: Shrink | None = None) -> Decoded:
    """The image of an item, if that is a path decoded no smaller than allowed; ValueError if there is none in it."""
    return finished(raw_of(item, column, shrink, decoding.channels), decoding)


def raw_of(item: object, column: str | None, shrink: Shrink | None = None, channels: int | None = None) -> Raw:
    """The pixels of an item: of a pair the first, of a mapping the named column.

    `channels` decides which axis of an array is theirs, where that could be the first or the last.

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
    if isinstance(item, torch.Tensor | np.ndarray) and item.ndim in (2, 3):
        return Raw(_channels_last(as_array(item), channels, first=isinstance(item, torch.Tensor)))
    raise ValueError(f"a {type(item).__name__} is not an image: give PIL images, tensors (C, H, W), arrays or paths")


def _channels_last(values: Array, channels: int | None, *, first: bool) -> Array:
    """Pixels as (H, W, C); where the first and the last axis could be that of the channels, `first` says that it is."""
    if values.ndim == 2:
        return values[..., None]
    one, other = values.shape[0], values.shape[2]
    if min(one, other) > MOST_CHANNELS:
        raise ValueError(f"an array of the shape {values.shape} has no axis of 1 to {MOST_CHANNELS} channels")
    last = channels_last(one, other, channels)
    if last is None and not first and one != other and {one, other} != {1, 3}:
        raise UserError(
            f"An image is an array of the shape {values.shape}, with the channels first or last: pass --channels {one} "
            f"or --channels {other}."
        )
    return values if last or (last is None and not first) else np.moveaxis(values, 0, -1)


def as_array(values: Any) -> Array:
    """A tensor, an array or numbers as NumPy has them; bfloat16, which it does not have, as float32."""
    if not isinstance(values, torch.Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    own = values.is_floating_point() and values.dtype not in (torch.float16, torch.float32, torch.float64)
    made: Array = (values.float() if own else values).numpy()
    return made


def label_of(item: object) -> Any:
    """The label of an item, None where it has none: of a pair the second, of a mapping its label."""
    if isinstance(item, tuple | list) and len(item) > 1:
        return item[1]
    return item.get("label") if isinstance(item, Mapping) else None
