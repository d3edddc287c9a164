"""COCO's average precision (Lin et al., 2014) of boxes and masks, by torchmetrics and the library of COCO's format."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fullrank.detection.annotations.masks import backend, drawn, unpacked
from fullrank.detection.annotations.record import AnnotatedImage, Thing
from fullrank.detection.scores.found import Found

_NAMES = {
    "AP": "map",
    "AP50": "map_50",
    "AP75": "map_75",
    "AP_small": "map_small",
    "AP_medium": "map_medium",
    "AP_large": "map_large",
    "AR_1": "mar_1",
    "AR_10": "mar_10",
    "AR_100": "mar_100",
}


def coco_scores(
    found: Sequence[Found], images: Sequence[AnnotatedImage], classes: int, *, masks: bool = False
) -> dict[str, Any]:
    """COCO's numbers in [0, 1] under "box" and, with `masks`, "mask"; None where no object decides them.

    Each has AP over overlaps of 0.5 to 0.95, AP50, AP75, those of small (below 32² pixels), medium and large (above
    96²) objects, the recall of 1, 10 and 100 detections per image, and "classes", AP by class. Objects that are a crowd
    or difficult are neither found nor missed.
    """
    kinds = {"box": "bbox", "mask": "segm"} if masks else {"box": "bbox"}
    return {kind: _scored(found, images, classes, theirs) for kind, theirs in kinds.items()}


def _scored(found: Sequence[Found], images: Sequence[AnnotatedImage], classes: int, kind: Any) -> dict[str, Any]:
    """The numbers of one kind; with both at once, torchmetrics takes the area of a detected box from its mask."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # on more than 100 detections, of which COCO's numbers leave out the rest
        from torchmetrics.detection import MeanAveragePrecision

        metric = MeanAveragePrecision(
            iou_type=kind,
            iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),  # COCO's own; torchmetrics rounds them to float32
            rec_thresholds=np.linspace(0.0, 1.0, 101).tolist(),
            class_metrics=True,
            backend=backend(),  # type: ignore[arg-type]
            sync_on_compute=False,  # one process has all that was found, and the others do not wait for it
        )
        for one, image in zip(found, images, strict=True):
            metric.update([_found(one, image, kind == "segm")], [_truth(image, kind == "segm")])
        return _numbers(metric.compute(), classes)


def _found(one: Found, image: AnnotatedImage, masks: bool) -> dict[str, Tensor]:
    entry = {"boxes": one.boxes, "scores": one.scores, "labels": one.labels}
    if masks:
        pixels = [unpacked(code) for code in one.masks or ()]
        entry["masks"] = _stacked(pixels, image)
    return entry


def _truth(image: AnnotatedImage, masks: bool) -> dict[str, Tensor]:
    things: Sequence[Thing] = image.things
    entry = {
        "boxes": torch.tensor([thing.box for thing in things]).view(-1, 4),
        "labels": torch.tensor([thing.label for thing in things], dtype=torch.long),
        "iscrowd": torch.tensor([int(thing.crowd or thing.difficult) for thing in things], dtype=torch.long),
        "area": torch.tensor([thing.area for thing in things]),
    }
    if masks:
        pixels = [drawn(thing.mask, image.height, image.width) for thing in things if thing.mask is not None]
        entry["masks"] = _stacked(pixels, image)
    return entry


def _stacked(pixels: Sequence[np.ndarray[Any, Any]], image: AnnotatedImage) -> Tensor:
    empty = torch.zeros(0, image.height, image.width, dtype=torch.bool)
    return torch.from_numpy(np.stack(pixels)) if pixels else empty


def _numbers(values: dict[str, Tensor], classes: int) -> dict[str, Any]:
    numbers: dict[str, Any] = {name: _known(values[theirs]) for name, theirs in _NAMES.items()}
    seen = {int(label): at for at, label in enumerate(values["classes"].view(-1))}
    each = values["map_per_class"].view(-1)
    numbers["classes"] = [_known(each[seen[label]]) if label in seen else None for label in range(classes)]
    return numbers


def _known(value: Tensor) -> float | None:
    return None if float(value) < 0 else float(value)
