"""Detectors on an encoder: feature pyramids on any backbone, and R50-C4 as in MoCo's protocol."""

from __future__ import annotations

from fullrank.detection.models.build import build
from fullrank.detection.models.detector import Detector

__all__ = ["Detector", "build"]
