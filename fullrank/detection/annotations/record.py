"""What annotation files say, whatever their format: images with their boxes, and a count of what was left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels, from the corner of the image."""


@dataclass(frozen=True, slots=True)
class Runs:
    """A mask as COCO's run lengths: of zeros and ones in turn, down the columns of `height` x `width` pixels."""

    height: int
    width: int
    lengths: NDArray[np.int64]


Mask = tuple[NDArray[np.float64], ...] | Runs
"""Polygons, each (n, 2) of x and y in pixels, or run lengths."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One annotated object: its box inside of its image, and its class by its place among the classes, from 0.

    A detection of a `crowd` (COCO) or a `difficult` object (VOC) is neither right nor wrong; a crowd is not trained on.
    """

    box: Box
    label: int
    area: float
    crowd: bool = False
    difficult: bool = False
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """An image file that was found, with its upright size in pixels and what is marked in it."""

    path: Path
    id: int | str
    width: int
    height: int
    things: tuple[Thing, ...]


@dataclass(frozen=True, eq=False)
class Annotations:
    """Images of one set; `ids` number the classes in the file, `counted` is what was left out or changed."""

    source: str
    kind: str
    images: Sequence[AnnotatedImage]
    classes: tuple[str, ...]
    ids: tuple[int, ...]
    counted: Mapping[str, int]
    notes: tuple[str, ...] = ()

    def line(self) -> str:
        """What was understood, in one sentence.

        >>> Annotations("a.json", "COCO", (), ("cat",), (1,), {"boxes clipped to their image": 2}).line()
        'a.json (COCO): 0 images, 0 boxes of 1 class; 2 boxes clipped to their image.'
        """
        boxes = sum(len(image.things) for image in self.images)
        classes = f"{len(self.classes)} class" + ("es" if len(self.classes) != 1 else "")
        said = [
            f"{self.source} ({self.kind}): {len(self.images):,} images, {boxes:,} boxes of {classes}",
            *self.notes,
        ]
        said += [f"{count:,} {what}" for what, count in self.counted.items() if count]
        seen = {thing.label for image in self.images for thing in image.things}
        if self.images and (unseen := [name for at, name in enumerate(self.classes) if at not in seen]):
            more = f" and {len(unseen) - 5} more" if len(unseen) > 5 else ""
            said.append(f"no box of {', '.join(unseen[:5])}{more}")
        return "; ".join(said) + "."

    def about(self) -> dict[str, Any]:
        """What config.json keeps of it."""
        kept = {what: count for what, count in self.counted.items() if count}
        return {"source": self.source, "kind": self.kind, "images": len(self.images), "counted": kept}
