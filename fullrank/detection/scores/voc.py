"""VOC's average precision (Everingham et al., 2010): boxes by score, each object found once, difficult ones aside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torchvision.ops import box_iou

from fullrank.detection.annotations.record import AnnotatedImage
from fullrank.detection.scores.found import Found

_ELEVEN = np.linspace(0, 1, 11)
_THRESHOLDS = tuple(0.5 + 0.05 * step for step in range(10))


def voc_scores(found: Sequence[Found], images: Sequence[AnnotatedImage], classes: int) -> dict[str, float | None]:
    """Means over the classes that have an object: AP50 by eleven points (2007) and by area (2010).

    AP and AP75 are those of detectron2's VOC tables: by eleven points, over overlaps of 0.5, 0.55, ..., 0.95 and at
    0.75. None where no class has an object.
    """

    def mean(overlap: float, eleven: bool) -> float | None:
        each = [voc_average(found, images, label, overlap=overlap, eleven=eleven) for label in range(classes)]
        known = [value for value in each if value is not None]
        return sum(known) / len(known) if known else None

    at = {overlap: mean(overlap, True) for overlap in _THRESHOLDS}
    values = [value for value in at.values() if value is not None]
    return {
        "AP50_11_points": at[0.5],
        "AP50_area": mean(0.5, False),
        "AP_11_points": sum(values) / len(values) if values else None,
        "AP75_11_points": at[_THRESHOLDS[5]],
    }


def voc_average(
    found: Sequence[Found], images: Sequence[AnnotatedImage], label: int, *, overlap: float = 0.5, eleven: bool = False
) -> float | None:
    """Average precision of one class, by area or by eleven points; None where no object of it counts.

    Args:
        found: What was found in each of the images.
        images: The images with their objects; difficult ones and crowds make a detection neither right nor wrong.
        label: The class, from 0.
        overlap: The least intersection over union of a right detection, in [0, 1].
        eleven: The mean of the best precision from recalls 0, 0.1, ..., 1 on, as in 2007, instead of the area.
    """
    scores, right, counts = [], [], 0
    for one, image in zip(found, images, strict=True):
        things = [thing for thing in image.things if thing.label == label]
        aside = [thing.difficult or thing.crowd for thing in things]
        counts += len(things) - sum(aside)
        mine = one.labels == label
        values, order = one.scores[mine].sort(descending=True, stable=True)
        truth = torch.tensor([thing.box for thing in things]).view(-1, 4)
        overlaps = box_iou(one.boxes[mine][order].float(), truth.float())
        scores.append(values.double().numpy())
        right.append(_judged(overlaps.numpy(), aside, overlap))
    if counts == 0:
        return None
    score, correct = np.concatenate(scores), np.concatenate(right)
    kept = correct >= 0
    score, correct = score[kept], correct[kept]
    correct = correct[np.argsort(-score, kind="stable")]
    return _average(correct, counts, eleven)


def _judged(overlaps: NDArray[np.float32], aside: Sequence[bool], least: float) -> NDArray[np.int64]:
    """Of the detections (n,) of an image, best first: 1 right, 0 wrong, -1 neither."""
    taken = set()
    judged = np.zeros(len(overlaps), dtype=np.int64)
    for at, row in enumerate(overlaps):
        best = int(row.argmax()) if len(row) else -1
        if best < 0 or row[best] < least:
            continue
        if aside[best]:
            judged[at] = -1
        elif best not in taken:
            taken.add(best)
            judged[at] = 1
    return judged


def _average(correct: NDArray[np.int64], counts: int, eleven: bool) -> float:
    right = np.cumsum(correct)
    recall = right / counts
    precision = right / np.arange(1, len(correct) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # at this recall or a higher one
    if eleven:
        return float(sum(best[recall >= point - 1e-12].max(initial=0.0) for point in _ELEVEN) / len(_ELEVEN))
    return float((best * np.diff(recall, prepend=0.0)).sum())
