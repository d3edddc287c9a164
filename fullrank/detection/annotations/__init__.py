"""Boxes and masks from COCO JSON and VOC XML; what is wrong is one sentence, what is left out is counted."""

from __future__ import annotations

from fullrank.detection.annotations.read import read_annotations
from fullrank.detection.annotations.record import AnnotatedImage, Annotations, Runs, Thing

__all__ = ["AnnotatedImage", "Annotations", "Runs", "Thing", "read_annotations"]
