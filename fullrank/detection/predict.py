"""A detector over images, shared by the processes: what it finds, and how right that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.utils.data
from torch import Tensor

from fullrank.data.pixels import Decoding
from fullrank.detection.annotations import AnnotatedImage, Annotations
from fullrank.detection.annotations.masks import packed
from fullrank.detection.models import Detector
from fullrank.detection.samples import opened
from fullrank.detection.scores import Found, coco_scores, voc_scores
from fullrank.engine.gather import place_among_processes
from fullrank.errors import UserError

_SURE = 0.5  # from here on a pixel is of the mask


@dataclass(frozen=True)
class Plain(torch.utils.data.Dataset[Tensor | UserError]):
    """Images as they are detected in, by index."""

    images: Sequence[AnnotatedImage]
    decoding: Decoding
    side: int
    long_side: int

    def __getitem__(self, index: int) -> Tensor | UserError:
        try:
            return opened(self.images[index], self.decoding, self.side, self.long_side)
        except UserError as error:
            return error


def find_all(detector: Detector, plain: Plain, *, device: torch.device, workers: int = 0) -> list[Found]:
    """What is in all images, in their order, in every process; each process looks at its share."""
    rank, world = place_among_processes()
    mine = range(rank, len(plain.images), world)
    training = detector.training
    detector.eval()
    found = dict(zip(mine, _find(detector, plain, mine, device, workers), strict=True))
    detector.train(training)
    if world > 1:
        shares: list[Any] = [None] * world
        dist.all_gather_object(shares, found)
        found = {at: one for share in shares for at, one in share.items()}
    return [found[at] for at in range(len(plain.images))]


def _find(detector: Detector, plain: Plain, mine: Sequence[int], device: torch.device, workers: int) -> Iterator[Found]:
    loader = torch.utils.data.DataLoader(
        plain, batch_size=None, sampler=mine, num_workers=workers, generator=torch.Generator()
    )
    for index, image in zip(mine, loader, strict=True):
        if isinstance(image, UserError):
            raise image
        annotated = plain.images[index]
        (one,) = detector.find([image.to(device)], [(annotated.height, annotated.width)])
        masks = [packed(mask[0].cpu().numpy() > _SURE) for mask in one["masks"]] if "masks" in one else None
        yield Found(one["boxes"].float().cpu(), one["scores"].float().cpu(), one["labels"].cpu() - 1, masks)


def scored(found: Sequence[Found], val: Annotations, *, masks: bool) -> dict[str, Any]:
    """COCO's numbers of boxes and masks by class name, and VOC's, all in [0, 1]."""
    scores: dict[str, Any] = coco_scores(found, val.images, len(val.classes), masks=masks)
    for numbers in scores.values():
        numbers["classes"] = dict(zip(val.classes, numbers["classes"], strict=True))
    return scores | {"voc": voc_scores(found, val.images, len(val.classes))}


def as_results(found: Sequence[Found], val: Annotations) -> list[dict[str, Any]]:
    """Detections as COCO's own tools take them: image_id, category_id, bbox, score and segmentation."""
    results = []
    for one, image in zip(found, val.images, strict=True):
        for at, (box, score, label) in enumerate(
            zip(one.boxes.tolist(), one.scores.tolist(), one.labels.tolist(), strict=True)
        ):
            left, top, right, bottom = (round(value, 2) for value in box)
            entry: dict[str, Any] = {
                "image_id": image.id,
                "category_id": val.ids[label],
                "bbox": [left, top, round(right - left, 2), round(bottom - top, 2)],
                "score": round(score, 5),
            }
            results.append(entry if one.masks is None else entry | {"segmentation": dict(one.masks[at])})
    return results
