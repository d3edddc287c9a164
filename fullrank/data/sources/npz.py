"""An .npz file with `images` and, optionally, `labels`; never unpickled."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fullrank.data.images import ImageTensor
from fullrank.errors import UserError

Array = npt.NDArray[Any]


def read_npz(path: Path) -> ImageTensor:
    """Read `images` (N, H, W), (N, H, W, C) or (N, C, H, W), uint8 or float in [0, 1], and `labels` (N,).

    C is 1 or 3; where both readings fit, channels last is meant. Labels are integers (-1 is unknown) or
    strings; the classes are their sorted values. UserError for anything else.
    """
    images, labels = _arrays(path)
    images = np.ascontiguousarray(_channels_first(_bytes(images, path), path))
    if labels is None:
        return ImageTensor(torch.from_numpy(images), None, ())
    numbers, classes = _numbered(labels, len(images), path)
    return ImageTensor(torch.from_numpy(images), torch.from_numpy(numbers), classes)


def _arrays(path: Path) -> tuple[Array, Array | None]:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no .npz file, or it is cut off: write it again with numpy.savez.")
    try:
        with np.load(path, allow_pickle=False) as file:
            if "images" not in file:
                raise UserError(
                    f"{path} has no array named images (it has: {', '.join(file.files) or 'nothing'}): "
                    "save it with numpy.savez(file, images=..., labels=...)."
                )
            return np.asarray(file["images"]), np.asarray(file["labels"]) if "labels" in file else None
    except ValueError as error:
        wrong = "object arrays, which only unpickling could read" if "bject arrays" in str(error) else str(error)
        raise UserError(f"{path} holds {wrong}: save plain numbers with numpy.savez.") from error
    except (OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"{path} is damaged ({error}): write it again with numpy.savez.") from error


def _bytes(images: Array, path: Path) -> Array:
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise UserError(f"{path}: images are {images.dtype}: save them as uint8, or as float in [0, 1].")
    if not np.isfinite(images).all():
        raise UserError(f"{path}: images contain NaN or infinity: repair or remove these images.")
    if images.size and (images.min() < 0 or images.max() > 1):
        raise UserError(
            f"{path}: images are {images.dtype} from {images.min():g} to {images.max():g}: "
            "scale them to [0, 1], or save them as uint8."
        )
    return (images * 255).round().astype(np.uint8)


def _channels_first(images: Array, path: Path) -> Array:
    given = images.shape
    if images.ndim == 4 and images.shape[3] in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    elif images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or images.shape[1] not in (1, 3) or 0 in images.shape:
        raise UserError(
            f"{path}: images have shape {given}: save them as (N, H, W), (N, H, W, C) or (N, C, H, W) "
            "with 1 or 3 channels."
        )
    if len(images) < 2:
        raise UserError(f"{path} holds one image, training needs at least 2: add images.")
    return images


def _numbered(labels: Array, count: int, path: Path) -> tuple[Array, tuple[str, ...]]:
    if labels.shape != (count,):
        raise UserError(f"{path}: labels have shape {labels.shape} for {count} images: save one label an image.")
    if labels.dtype.kind not in "iuU":
        raise UserError(f"{path}: labels are {labels.dtype}: save integers or strings.")
    values, numbers = np.unique(labels, return_inverse=True)
    if labels.dtype.kind == "i" and values[0] < -1:
        raise UserError(f"{path}: labels go down to {values[0]}: use 0 and more, or -1 for unknown.")
    if labels.dtype.kind == "i" and values[0] == -1:  # -1 stays -1: unknown
        values, numbers = values[1:], numbers - 1
    return numbers.astype(np.int64), tuple(str(value) for value in values)
