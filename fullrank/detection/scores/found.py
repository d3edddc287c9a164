"""What a detector found in one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Found:
    """Boxes (n, 4) in pixels of the file (left, top, right, bottom), scores (n,) in [0, 1] and labels (n,) from 0.

    `masks` are COCO's compressed run lengths of the image's size, one per box; None without a mask head.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: Sequence[Mapping[str, Any]] | None = None
