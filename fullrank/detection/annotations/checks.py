"""What is checked of every box and every image file, counted where it does not have to stop the reading."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from fullrank.data.decode import header_size, read_raw
from fullrank.detection.annotations.record import Box
from fullrank.errors import UserError

MISSING = "images left out since their file is missing"
BROKEN = "images left out since their file cannot be read"
RESIZED = "images left out since they have another size than their annotations say"
CLIPPED = "boxes clipped to their image"
OUTSIDE = "boxes outside their image left out"
FLAT = "boxes without area left out"
EMPTY = "images without a box"
CROWDS = "crowds, which are not trained on"
DIFFICULT = "difficult objects, which do not count in the scores"
UNMASKED = "boxes without a mask left out"
MISFIT = "boxes left out since their mask has another size than their image"
STRAYS = "boxes left out since their image is not listed"

_LEAST = 0.01  # pixels of a side; a network in float32 cannot tell less
_ROUNDING = 1.0  # pixels beyond the edge that are not worth a word
_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp", ".JPG", ".JPEG", ".PNG")


def inside(box: Box, width: int, height: int, counted: Counter[str]) -> Box | None:
    """A box within its image, or None where nothing is left of it.

    >>> inside((-5.0, 2.0, 4.0, 4.0), 10, 10, Counter())
    (0.0, 2.0, 4.0, 4.0)
    """
    left, top, right, bottom = box
    if right - left < _LEAST or bottom - top < _LEAST:
        counted[FLAT] += 1
        return None
    fitted = (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))
    if fitted[2] - fitted[0] < _LEAST or fitted[3] - fitted[1] < _LEAST:
        counted[OUTSIDE] += 1
        return None
    if max(abs(one - other) for one, other in zip(box, fitted, strict=True)) > _ROUNDING:
        counted[CLIPPED] += 1
    return fitted


def numbers(values: object, count: int, what: str) -> tuple[float, ...]:
    """So many finite numbers; raises UserError, which begins with `what`, for anything else.

    >>> numbers([1, 2.5], 2, "a.json: the box")
    (1.0, 2.5)
    """
    shown = list(values) if isinstance(values, list | tuple) else []
    right = [isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 1e9 for one in shown]
    if len(shown) != count or not all(right) or not all(math.isfinite(one) for one in shown):
        raise UserError(f"{what} is {str(values)[:60]}, not {count} finite numbers: correct the file.")
    return tuple(float(one) for one in shown)


def size_of(path: Path, stated: tuple[int, int] | None, counted: Counter[str]) -> tuple[int, int] | None:
    """Upright width and height of an image file, or None, counted, where it is not what the annotations are of."""
    if not path.is_file():
        counted[MISSING] += 1
        return None
    try:
        size = _header(path)
    except Exception:  # decoders raise anything
        counted[BROKEN] += 1
        return None
    if stated is not None and stated != size:
        counted[RESIZED] += 1
        return None
    return size


def _header(path: Path) -> tuple[int, int]:
    """Width and height as seen, without decoding the pixels where PIL knows the format."""
    try:
        return header_size(path)
    except OSError:
        content = read_raw(path).content
        return content.size if isinstance(content, Image.Image) else (content.shape[1], content.shape[0])


def folder_of(names: Iterable[str], asked: Path | None, places: Iterable[Path], flag: str) -> Path:
    """The folder that the images are in: the one that was asked for, or the first of the places that has some of them.

    UserError, with the flag that decides it, where none has.
    """
    first = [name for name, _ in zip(names, range(20), strict=False)]
    for name in first:
        if os.path.isabs(name) or ".." in Path(name).parts:
            raise UserError(f"The image {name} is named by a path that leaves its folder: name it from {flag} on.")
    if asked is not None:
        if not asked.is_dir():
            raise UserError(f"There is no folder {asked}: pass the one with the images as {flag}.")
        places = [asked]
    tried = list(dict.fromkeys(places))
    for folder in tried:
        if any((folder / name).is_file() for name in first):
            return folder
    looked = ", ".join(str(folder) for folder in tried)
    raise UserError(f"None of the images ({', '.join(first[:2])}, ...) is in {looked}: pass their folder as {flag}.")


def with_ending(path: Path) -> Path:
    """The file of this name, or of this name with the ending of an image, as some tools leave it out."""
    if path.is_file():
        return path
    return next((found for ending in _SUFFIXES if (found := path.with_suffix(ending)).is_file()), path)
