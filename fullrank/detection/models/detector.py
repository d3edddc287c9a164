"""A detector of torchvision as FullRank trains and uses it: bytes in, sizes and seeds from outside, nothing hidden."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler
from torchvision.models.detection.transform import GeneralizedRCNNTransform

Target = dict[str, Tensor]
"""boxes (n, 4), labels (n,) from 1, and masks (n, H, W) uint8 where they are learned, in pixels of the image."""


class AsTheyCome(GeneralizedRCNNTransform):  # type: ignore[misc]
    """Normalizes and pads images; they were resized before, where the workers are."""

    def resize(self, image: Tensor, target: Target | None = None) -> tuple[Tensor, Target | None]:
        """The image and its target, untouched."""
        return image, target


@dataclass(eq=False)
class SeededSampler(BalancedPositiveNegativeSampler):  # type: ignore[misc]
    """Draws the boxes that are trained on for each image by its own seed: the same in one process as in several."""

    batch_size_per_image: int
    positive_fraction: float
    seeds: Sequence[int] = field(default_factory=tuple)

    def __call__(self, matched_idxs: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Masks of the chosen positives and negatives, an image at a time."""
        positives, negatives = [], []
        for seed, matched in zip(self.seeds, matched_idxs, strict=True):
            torch.manual_seed(seed)
            positive, negative = super().__call__([matched])
            positives += positive
            negatives += negative
        return positives, negatives


class Detector(nn.Module):
    """Faster R-CNN or Mask R-CNN on an encoder. `frozen` are norms that stay as they are."""

    def __init__(self, network: FasterRCNN, frozen: Sequence[nn.Module] = ()) -> None:
        super().__init__()
        self.network = network
        self.samplers = []
        for part in (network.rpn, network.roi_heads):
            old = part.fg_bg_sampler
            part.fg_bg_sampler = SeededSampler(old.batch_size_per_image, old.positive_fraction)
            self.samplers.append(part.fg_bg_sampler)
        places = {id(layer): place for place, layer in network.named_modules()}
        self.frozen = tuple(places[id(norm)] for norm in frozen if id(norm) in places)
        for norm in frozen:
            norm.requires_grad_(False)
        self.train()

    def train(self, mode: bool = True) -> Detector:
        """Train or eval mode; frozen norms stay in eval mode."""
        super().train(mode)
        for place in self.frozen:  # by their places: on several GPUs synchronized norms stand there
            self.network.get_submodule(place).eval()
        return self

    def losses(self, images: Sequence[Tensor], targets: Sequence[Target], seeds: Sequence[int]) -> dict[str, Tensor]:
        """The named losses of images (C, H, W) uint8, in train mode; one seed per image draws what is learned of it.

        Their sum is what is optimized.
        """
        for place, sampler in enumerate(self.samplers):
            sampler.seeds = [seed + place for seed in seeds]
        found: dict[str, Tensor] = self.network([image / 255 for image in images], [dict(one) for one in targets])
        return {name.removeprefix("loss_"): value for name, value in found.items()}

    @torch.no_grad()
    def find(self, images: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
        """What is in images (C, H, W) uint8, in eval mode, in pixels of files of these sizes (height, width)."""
        network = self.network
        batch, _ = network.transform([image / 255 for image in images])
        features = network.backbone(batch.tensors)
        if isinstance(features, Tensor):
            features = OrderedDict([("0", features)])
        proposals, _ = network.rpn(batch, features)
        found, _ = network.roi_heads(features, proposals, batch.image_sizes)
        return cast("list[dict[str, Any]]", network.transform.postprocess(found, batch.image_sizes, list(sizes)))
