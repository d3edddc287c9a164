"""A feature pyramid (Lin et al., 2017) on the maps of any encoder, with Faster R-CNN's or Mask R-CNN's heads."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from fullrank.detection.models.maps import Maps, freeze_unused
from fullrank.detection.options import DetectorSettings
from fullrank.nn import Encoder

ASPECTS = (0.5, 1.0, 2.0)
_ANCHOR = 8  # smallest anchor, in strides of the finest map
_BOX, _MASK = 7, 14  # sides of what is pooled for the heads


class Pyramid(nn.Module):
    """Maps of an encoder to a pyramid with one number of channels, and one coarser level."""

    def __init__(self, encoder: Encoder, width: int) -> None:
        super().__init__()
        self.maps = Maps(encoder)
        freeze_unused(self.maps, encoder.channels)
        channels = [level.channels for level in self.maps.levels]
        self.fpn = FeaturePyramidNetwork(channels, width, extra_blocks=LastLevelMaxPool())
        self.out_channels = width

    def forward(self, images: Tensor) -> OrderedDict[str, Tensor]:
        """Images to levels "0", "1", ..., finest first, and "pool"."""
        maps = OrderedDict((str(at), found) for at, found in enumerate(self.maps(images)))
        levels: OrderedDict[str, Tensor] = self.fpn(maps)
        return levels


def with_pyramid(encoder: Encoder, classes: int, settings: DetectorSettings, options: dict[str, Any]) -> FasterRCNN:
    """The detector for `classes` classes and the background."""
    pyramid = Pyramid(encoder, settings.width)
    strides = [level.stride for level in pyramid.maps.levels]
    smallest = settings.anchor or float(_ANCHOR * strides[0])
    sizes = tuple((smallest * stride / strides[0],) for stride in [*strides, 2 * strides[-1]])
    names = [str(at) for at in range(len(strides))]
    options |= {
        "rpn_anchor_generator": AnchorGenerator(sizes, (ASPECTS,) * len(sizes)),
        "box_roi_pool": MultiScaleRoIAlign(names, _BOX, 2),
        "box_head": TwoMLPHead(settings.width * _BOX**2, 4 * settings.width),
        "box_predictor": FastRCNNPredictor(4 * settings.width, classes + 1),
    }
    if not settings.masks:
        return FasterRCNN(pyramid, **options)
    return MaskRCNN(
        pyramid,
        **options,
        mask_roi_pool=MultiScaleRoIAlign(names, _MASK, 2),
        mask_head=MaskRCNNHeads(settings.width, (settings.width,) * 4, 1),
        mask_predictor=MaskRCNNPredictor(settings.width, settings.width, classes + 1),
    )
