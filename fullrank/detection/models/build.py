"""From an encoder, classes and settings to a detector."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from fullrank.detection.models.c4 import with_last_stage
from fullrank.detection.models.detector import AsTheyCome, Detector
from fullrank.detection.models.pyramid import with_pyramid
from fullrank.detection.options import DetectorSettings
from fullrank.errors import UserError
from fullrank.nn import SavedEncoder, encoder
from fullrank.nn.encoder import OBJECT, Encoder
from fullrank.runs.trusted import is_file_of_code

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


def build(saved: SavedEncoder, classes: int, settings: DetectorSettings) -> Detector:
    """A detector whose backbone is this encoder, with new heads drawn by the seed.

    Raises UserError where it cannot be one.
    """
    ready = for_any_size(saved.encoder)
    norms = [layer for layer in ready.model.modules() if isinstance(layer, _NORMS)] if settings.norm == "frozen" else []
    options: dict[str, Any] = {"box_batch_size_per_image": settings.rois}
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        make = with_pyramid if settings.head == "fpn" else with_last_stage
        network = make(ready, classes, settings, options)
    network.transform = AsTheyCome(1, 1, list(saved.mean), list(saved.std))  # its sizes are never used
    return Detector(network, norms)


def for_any_size(made: Encoder) -> Encoder:
    """The same encoder for images of any size; raises UserError for one of the user's own code."""
    import timm

    if is_file_of_code(made.name) or made.name.startswith(OBJECT):
        raise UserError(f"{made.name} is a network of your own: detection takes those of timm, torchvision and tiny.")
    kind = made.name.partition(".")[0]
    if kind not in timm.list_models() or not timm.get_pretrained_cfg_value(kind, "fixed_input_size"):
        return made
    size = made.image_size
    try:
        with torch.random.fork_rng():
            fresh = encoder(made.name, image_size=size, channels=made.channels, stem=made.stem, view_sizes=(2 * size,))
    except UserError as error:
        raise UserError(
            f"{made.name} takes images of {size} px alone, and a detector sees any size: use another network."
        ) from error
    fresh.model.load_state_dict(made.model.state_dict())
    return fresh
