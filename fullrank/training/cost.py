"""What a training costs: memory for an image of a batch, and time for a step."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fullrank.data import Views
from fullrank.methods import Method


def bytes_per_image(network: nn.Module, channels: int, view_sizes: Sequence[int]) -> int:
    """Memory that the backward pass of all views of one image needs, measured without computing anything.

    >>> bytes_per_image(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sigmoid()), 1, [4, 4])  # input and output, both views
    384
    """
    with torch.random.fork_rng():
        idle = copy.deepcopy(network).to("meta").train()
        return sum((_saved(idle, channels, side, 4) - _saved(idle, channels, side, 2)) // 2 for side in view_sizes)


def _saved(network: nn.Module, channels: int, side: int, count: int) -> int:
    """Bytes that autograd keeps of so many images, each storage counted once."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = network(torch.empty(count, channels, side, side, device="meta"))
    del out
    return sum(storages.values())


def seconds_per_image(method: Method, views: Views, images: Tensor | list[Tensor], repeats: int = 2) -> float:
    """Time of one image of a batch (n, C, H, W), or of its crops, through augmentation, forward and backward."""
    trial = copy.deepcopy(method).train()
    one = images if isinstance(images, Tensor) else images[0]
    best = float("inf")
    with torch.random.fork_rng():
        for _ in range(repeats):
            begun = time.perf_counter()
            parameters = views.draw(len(one), one.shape[-2], one.shape[-1], torch.Generator().manual_seed(0))
            terms = trial.loss(trial(views.apply(images, parameters)))
            terms["loss"].backward()
            best = min(best, time.perf_counter() - begun)
    return best / len(one)
