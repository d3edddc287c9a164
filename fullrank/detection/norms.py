"""Statistics of batch norm from many batches, in place of its running ones (precise batch norm, as in detectron2)."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import nn

from fullrank.detection.models import Detector
from fullrank.detection.module import seeds_of
from fullrank.detection.samples import Batch
from fullrank.engine.gather import place_among_processes

_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


@torch.no_grad()
def settle(detector: Detector, batches: Iterable[Batch], *, seed: int, device: torch.device) -> None:
    """Set every norm that is trained to the mean statistics of these batches, over all processes."""
    detector.train()
    norms = [layer for layer in detector.modules() if isinstance(layer, _NORMS) and layer.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
    for batch in batches:
        images = [image.to(device) for image in batch.images]
        targets = [{name: value.to(device) for name, value in target.items()} for target in batch.targets]
        detector.losses(images, targets, seeds_of(seed, batch))
    _, world = place_among_processes()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        if world > 1:
            for statistic in (norm.running_mean, norm.running_var):
                assert statistic is not None  # none that is trained goes without
                dist.all_reduce(statistic)
                statistic /= world
