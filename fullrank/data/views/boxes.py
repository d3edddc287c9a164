"""The crops of one large image. Their boxes are drawn first, so that it is decoded no larger than they need it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fullrank.data.pixels import Decoded
from fullrank.data.views.augmentation import Augmentation, draw_boxes

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
_TIMES = (8, 4, 2)  # what JPEG can leave out of an image while it decodes it


class Boxes:
    """One box for each view, drawn once: when `shrink` hears the size of the image, or else when it is cut.

    >>> views = [Augmentation(size=8, scale=(1.0, 1.0), ratio=(1.0, 1.0))]
    >>> boxes = Boxes(views, torch.Generator().manual_seed(0))
    >>> boxes.shrink(70, 70)  # half of it is still more than 8 pixels, and so is a quarter and an eighth
    8
    >>> [view.shape for view in boxes.cut(Image.new("RGB", (9, 9)))]
    [torch.Size([3, 8, 8])]
    """

    def __init__(self, augmentations: Sequence[Augmentation], generator: torch.Generator) -> None:
        self.augmentations = augmentations
        self._generator = generator
        self._whole = (0, 0)
        self._boxes: list[tuple[int, int, int, int]] = []  # top, left, height and width in pixels of the whole image

    def shrink(self, width: int, height: int) -> int:
        """How many times smaller an image may be decoded, if no crop shall have fewer pixels than its view."""
        self._draw(width, height)
        room = min(min(box[2:]) / view.size for box, view in zip(self._boxes, self.augmentations, strict=True))
        return next((times for times in _TIMES if times <= room), 1)

    def cut(self, image: Decoded) -> list[Tensor]:
        """The views (C, S, S) of the image, uint8, whatever it has shrunk to."""
        if not self._boxes:
            self._draw(image.width, image.height)
        times = next((n for n in _TIMES if image.size == tuple(-(-side // n) for side in self._whole)), 1)
        cut = []
        for (top, left, height, width), view in zip(self._boxes, self.augmentations, strict=True):
            inside = (left / times, top / times, (left + width) / times, (top + height) / times)
            cut.append(_resized(image, inside, view))
        return cut

    def _draw(self, width: int, height: int) -> None:
        self._whole = width, height
        drawn = [draw_boxes(view, 1, height, width, self._generator) for view in self.augmentations]
        self._boxes = [(int(top), int(left), int(rows), int(columns)) for top, left, rows, columns in drawn]


def _resized(image: Decoded, box: tuple[float, float, float, float], view: Augmentation) -> Tensor:
    """A box of an image at the size of the view; pixels that lie wholly outside of the box have no part in it."""
    left, top = int(box[0]), int(box[1])
    right, bottom = min(int(np.ceil(box[2])), image.width), min(int(np.ceil(box[3])), image.height)
    part = image.crop((left, top, right, bottom))
    inside = (box[0] - left, box[1] - top, min(box[2] - left, part.width), min(box[3] - top, part.height))
    small = part.resize((view.size, view.size), _FILTERS[view.interpolation], inside)
    return torch.from_numpy(np.array(small)).view(*small.size, -1).permute(2, 0, 1)
