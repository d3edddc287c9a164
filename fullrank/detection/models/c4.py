"""R50-C4 as in MoCo's protocol (He et al., 2020): a ResNet's last stage and one more norm are the head of every box."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN, MaskRCNN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.mask_rcnn import MaskRCNNPredictor
from torchvision.models.detection.rpn import AnchorGenerator
from torchvision.ops import MultiScaleRoIAlign

from fullrank.detection.models.pyramid import ASPECTS
from fullrank.detection.options import DetectorSettings
from fullrank.errors import UserError
from fullrank.nn import Encoder

_STAGES = ("layer1", "layer2", "layer3", "layer4")
_SIZES = 5  # anchors a place, each twice the one before: 32 to 512
_POOLED = 14
_MASK_WIDTH = 256


class Trunk(nn.Module):
    """A ResNet up to its third stage: images to one map of stride 16."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        names = [name for name, _ in model.named_children()]
        last = names.index("layer3")
        self.stages = nn.Sequential()
        for name, child in list(model.named_children())[: last + 1]:
            self.stages.add_module(name, child)
        self.out_channels = _width(model.get_submodule("layer3"))

    def forward(self, images: Tensor) -> Tensor:
        """The map (N, C, H/16, W/16)."""
        found: Tensor = self.stages(images)
        return found


class LastStage(nn.Module):
    """The fourth stage and a norm behind it: what is pooled of a box, (n, C, 14, 14), to (n, C', 7, 7)."""

    def __init__(self, stage: nn.Module) -> None:
        super().__init__()
        self.stage = stage
        self.out_channels = _width(stage)
        self.norm = nn.BatchNorm2d(self.out_channels)

    def forward(self, pooled: Tensor) -> Tensor:
        """The map of each box; of no box there are no statistics to train on, and none is moved."""
        if len(pooled) == 0:
            return pooled.new_zeros(0, self.out_channels, _POOLED // 2, _POOLED // 2)
        found: Tensor = self.norm(self.stage(pooled))
        return found


class BoxHead(nn.Module):
    """The mean of what the last stage makes of a box."""

    def __init__(self, last: LastStage) -> None:
        super().__init__()
        self.last = last

    def forward(self, pooled: Tensor) -> Tensor:
        """What is pooled (n, C, 14, 14) to features (n, C')."""
        found: Tensor = self.last(pooled)
        return found.mean((2, 3))


def with_last_stage(encoder: Encoder, classes: int, settings: DetectorSettings, options: dict[str, Any]) -> FasterRCNN:
    """The detector for `classes` classes and the background; raises UserError for another network than a ResNet."""
    model = encoder.model
    names = [name for name, _ in model.named_children()]
    if not set(_STAGES) <= set(names):
        raise UserError(f"--head c4 takes ResNets, and {encoder.name} is not one: pass --head fpn.")
    if encoder.stem == "small":
        raise UserError(
            "--head c4 takes the stem of ImageNet, and this encoder has one for small images: use --head fpn."
        )
    last = LastStage(model.get_submodule("layer4"))
    smallest = settings.anchor or 32.0
    sizes = tuple(smallest * 2**at for at in range(_SIZES))
    options |= {
        "rpn_anchor_generator": AnchorGenerator((sizes,), (ASPECTS,)),
        "box_roi_pool": MultiScaleRoIAlign(["0"], _POOLED, 0),
        "box_head": BoxHead(last),
        "box_predictor": FastRCNNPredictor(last.out_channels, classes + 1),
        "rpn_pre_nms_top_n_train": 12000,
        "rpn_pre_nms_top_n_test": 6000,
    }
    if not settings.masks:
        return FasterRCNN(Trunk(model), **options)
    return MaskRCNN(
        Trunk(model),
        **options,
        mask_roi_pool=MultiScaleRoIAlign(["0"], _POOLED, 0),
        mask_head=last,  # the same stage, as detectron2's masks have it
        mask_predictor=MaskRCNNPredictor(last.out_channels, _MASK_WIDTH, classes + 1),
    )


def _width(stage: nn.Module) -> int:
    """Channels that a stage hands on: those of the last norm or convolution on its main way."""
    widths = [layer.out_channels for layer in stage[-1].children() if isinstance(layer, nn.Conv2d)]  # type: ignore[index]
    return int(widths[-1])
