"""Average precision: COCO's for boxes and masks, and VOC's."""

from __future__ import annotations

from fullrank.detection.scores.coco import coco_scores
from fullrank.detection.scores.found import Found
from fullrank.detection.scores.voc import voc_average, voc_scores

__all__ = ["Found", "coco_scores", "voc_average", "voc_scores"]
