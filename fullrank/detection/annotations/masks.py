"""Masks of COCO: polygons and run lengths, checked, to pixels. The format's own library draws polygons."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.detection.annotations.record import Mask, Runs
from fullrank.errors import UserError

Pixels = NDArray[np.bool_]
_LIBRARIES = {"faster_coco_eval": "faster_coco_eval.core.mask", "pycocotools": "pycocotools.mask"}


def backend() -> str:
    """The library of COCO's masks and scores that is installed; raises UserError where none is."""
    for name in _LIBRARIES:
        if find_spec(name) is not None:
            return name
    raise UserError("Detection needs faster-coco-eval or pycocotools: run pip install 'fullrank[detect]'.")


def _tools() -> Any:
    return import_module(_LIBRARIES[backend()])


def read_mask(value: object, what: str) -> Mask | None:
    """A segmentation of COCO JSON, None where it is empty.

    Raises UserError, which begins with `what`, where it is neither.
    """
    if value is None or value == [] or value == {}:
        return None
    if isinstance(value, list):
        return tuple(_polygon(one, what) for one in value)
    if isinstance(value, Mapping) and set(value) >= {"size", "counts"}:
        return _runs(value["size"], value["counts"], what)
    raise UserError(f"{what} is neither polygons nor run lengths: correct the file.")


def _polygon(value: object, what: str) -> NDArray[np.float64]:
    try:
        points = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 1 or len(points) < 6 or len(points) % 2 or not np.isfinite(points).all():
        raise UserError(f"{what} has a polygon that is not 3 or more pairs of finite numbers: correct the file.")
    return points.reshape(-1, 2)


def _runs(size: object, counts: object, what: str) -> Runs:
    whole = isinstance(size, list) and len(size) == 2 and all(type(side) is int and 0 < side < 100_000 for side in size)
    if not isinstance(size, list) or not whole:
        raise UserError(f"{what} has the size {str(size)[:40]}, not height and width: correct the file.")
    try:
        lengths = np.asarray(unpack(counts) if isinstance(counts, str) else counts, dtype=np.int64)
    except (TypeError, ValueError, OverflowError):
        lengths = np.array([-1])
    if lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != size[0] * size[1]:
        raise UserError(f"{what} has run lengths that do not add up to {size[0]} x {size[1]} pixels: correct the file.")
    return Runs(size[0], size[1], lengths)


def unpack(text: str) -> list[int]:
    """Run lengths of COCO's compressed form: five bits of a digit per character, and differences from the third on.

    >>> unpack("52203")  # a column of 5 zeros, then ones and zeros
    [5, 2, 2, 2, 5]
    """
    lengths: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            digit = ord(text[at]) - 48
            if not 0 <= digit < 64 or shift > 60:
                raise ValueError("not run lengths")
            value |= (digit & 31) << shift
            shift, more, at = shift + 5, bool(digit & 32), at + 1
            if not more and digit & 16:
                value -= 1 << shift
            if more and at == len(text):
                raise ValueError("broken off")
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
    return lengths


def drawn(mask: Mask, height: int, width: int, *, scale: tuple[float, float] = (1.0, 1.0)) -> Pixels:
    """The pixels (height, width) of a mask; polygons are scaled in x and y first, run lengths to the nearest."""
    if isinstance(mask, Runs):
        flat = np.repeat(np.arange(len(mask.lengths)) % 2 == 1, mask.lengths)
        pixels: Pixels = flat.reshape(mask.width, mask.height).T
        rows = np.minimum(((np.arange(height) + 0.5) * mask.height / height).astype(int), mask.height - 1)
        columns = np.minimum(((np.arange(width) + 0.5) * mask.width / width).astype(int), mask.width - 1)
        return np.ascontiguousarray(pixels[rows][:, columns])
    tools = _tools()
    points = [np.clip(polygon * scale, 0, (width, height)).reshape(-1).tolist() for polygon in mask]
    return unpacked(_plain(tools.merge(tools.frPyObjects(points, height, width))))


def packed(pixels: Pixels) -> dict[str, Any]:
    """A mask (height, width) as COCO's compressed run lengths, for JSON."""
    return _plain(_tools().encode(np.asfortranarray(pixels.astype(np.uint8))))


def _plain(code: Mapping[str, Any]) -> dict[str, Any]:
    counts = code["counts"]
    text = counts if isinstance(counts, str) else counts.decode()
    return {"size": [int(side) for side in code["size"]], "counts": text}


def unpacked(code: Mapping[str, Any]) -> Pixels:
    """The pixels of what `packed` made."""
    height, width = code["size"]
    return drawn(Runs(height, width, np.array(unpack(code["counts"]))), height, width)
