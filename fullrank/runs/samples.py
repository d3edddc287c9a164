"""The pictures and points of a run folder."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fullrank.errors import UserError
from fullrank.runs import former
from fullrank.runs.arrays import DAMAGE, names_of, stored

_LARGEST = 2**30  # bytes of an array in a run's folder

Array = NDArray[Any]


@dataclass(frozen=True)
class Samples:
    """Pictures and points to look at; whatever the run did not save is None or empty."""

    views: Array | None = None  # (V, n, H, W, C) uint8
    neighbors: Array | None = None  # (q, k + 1, H, W, C) uint8, the query first
    neighbor_labels: Array | None = None  # (q, k + 1)
    projection: Array | None = None  # (n, 2)
    projection_labels: Array | None = None  # (n,)
    classes: tuple[str, ...] = ()


def read_samples(path: Path) -> Samples:
    """The samples of a file, empty where there is none; a UserError says what is wrong with it."""
    arrays = _arrays(path)
    arrays = {former.ARRAYS.get(name, name): array for name, array in arrays.items()}
    views, neighbors, points = (arrays.get(name) for name in ("views", "neighbors", "projection"))
    labels, groups = arrays.get("neighbor_labels"), arrays.get("projection_labels")
    require(
        path,
        [
            (views is None or _pictures(views), "views must be uint8 (V, n, H, W, 1 or 3)"),
            (neighbors is None or _pictures(neighbors), "neighbors must be uint8 (q, k + 1, H, W, 1 or 3)"),
            (labels is None or _labels(labels, neighbors, 2), "an integer is expected as the label of each neighbor"),
            (points is None or (points.ndim == 2 and points.shape[1] == 2), "projection must be (n, 2)"),
            (groups is None or _labels(groups, points, 1), "one projection label (an integer) per point expected"),
        ],
    )
    classes = tuple(str(name) for name in arrays.get("classes", ()))
    return Samples(views, neighbors, labels, points, groups, classes)


def _pictures(array: Array) -> bool:
    return array.dtype == np.uint8 and array.ndim == 5 and array.shape[-1] in (1, 3) and array.size > 0


def _labels(labels: Array, items: Array | None, axes: int) -> bool:
    """Whether there is one whole number for each of the items, which fill the first axes."""
    return items is not None and labels.dtype.kind in "iu" and labels.shape == items.shape[:axes]


def _arrays(path: Path) -> dict[str, Array]:
    """The arrays of an .npz file; none when there is no file."""
    if not path.is_file():
        return {}
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: stored(archive, name, _LARGEST) for name in names_of(archive)}
    except DAMAGE as error:
        raise UserError(f"{path} cannot be read ({str(error)[:120]}): delete it to report without it.") from error


def require(path: Path, conditions: Iterable[tuple[bool, str]]) -> None:
    """Raise a UserError with the sentence of the first condition that does not hold."""
    for holds, sentence in conditions:
        if not holds:
            raise UserError(f"{path}: {sentence}: delete the file to report without it.")
