"""Sheets of example images, each picture a small PNG inside the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from fullrank.report.runs.figures import class_name
from fullrank.runs.run import Run
from fullrank.runs.samples import Array

EDGE = 64  # pixels; larger pictures are shrunk to keep the page small
ROWS, COLUMNS = 10, 9  # of one sheet


@dataclass(frozen=True)
class Picture:
    """One image of a sheet; `wrong` marks a neighbor of another class than its query."""

    source: str
    alt: str
    label: str = ""
    wrong: bool = False


@dataclass(frozen=True)
class Sheet:
    """A table of pictures."""

    id: str
    title: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Picture]]]


def encode(image: Array) -> str:
    """A uint8 image (H, W, 1 or 3) as a data address with a PNG.

    >>> import numpy as np
    >>> encode(np.zeros((2, 2, 3), dtype=np.uint8))[:22]
    'data:image/png;base64,'
    """
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    picture.thumbnail((EDGE, EDGE))
    buffer = BytesIO()
    picture.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def views(run: Run, index: int, label: str) -> Sheet | None:
    """The augmented views of some images: one row per view, one column per image."""
    if run.samples.views is None:
        return None
    shown = run.samples.views[:ROWS, :COLUMNS]
    rows = [
        (
            f"view {row + 1}",
            [Picture(encode(image), f"image {at + 1}, view {row + 1}") for at, image in enumerate(images)],
        )
        for row, images in enumerate(shown)
    ]
    caption = (
        "What the encoder sees, one column per image and one row per view: two views of one image should still show"
        " the same thing to you, or the objective asks for what cannot be known."
    )
    columns = [f"no. {at + 1}" for at in range(shown.shape[1])]
    return Sheet(f"views{index}", f"Augmented views: {label}", caption, columns, rows)


def neighbors(run: Run, index: int, label: str) -> Sheet | None:
    """Query images, each with its nearest neighbors in the representation."""
    if run.samples.neighbors is None:
        return None
    shown = run.samples.neighbors[:ROWS, :COLUMNS]
    names = ["query", *(f"no. {at}" for at in range(1, shown.shape[1]))]
    rows = []
    for row, images in enumerate(shown):
        labels = None if run.samples.neighbor_labels is None else run.samples.neighbor_labels[row]
        pictures = [
            _neighbor(run, image, f"{name} of row {row + 1}", labels, at)
            for at, (name, image) in enumerate(zip(names, images, strict=True))
        ]
        rows.append((str(row + 1), pictures))
    framed = "" if run.samples.neighbor_labels is None else ", and a dashed frame marks one of another class"
    caption = (
        "Each row is an image and the images nearest to it in the representation, nearest first: they should show"
        f" the same kind of thing{framed}."
    )
    return Sheet(f"neighbors{index}", f"Nearest neighbors: {label}", caption, names, rows)


def _neighbor(run: Run, image: Array, alt: str, labels: Array | None, at: int) -> Picture:
    if labels is None:
        return Picture(encode(image), alt)
    name, wrong = class_name(run, labels[at]), bool(labels[at] != labels[0])
    words = f"{alt}: {name}" + (" (another class than the query)" if wrong else "")
    return Picture(encode(image), words, name, wrong)
