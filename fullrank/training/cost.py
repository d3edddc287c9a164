"""What a training costs: memory for an image of a batch, and time for a step."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fullrank.data import Views
from fullrank.errors import UserError, first_line
from fullrank.methods import Method


def bytes_per_image(network: nn.Module, channels: int, view_sizes: Sequence[int]) -> int:
    """Memory that the backward pass of all views of one image needs, measured without computing anything.

    A network that must compute, since it looks at a number or holds tensors that do not move with it, does so for a few
    images. Raises UserError where it cannot.

    >>> bytes_per_image(nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sigmoid()), 1, [4, 4])  # input and output, both views
    384
    """
    try:
        return _measured(network, channels, view_sizes, torch.device("meta"))
    except Exception:  # torch and networks of one's own raise anything there
        here = next(network.parameters(), torch.empty(0)).device
    try:
        return _measured(network, channels, view_sizes, here)
    except Exception as error:
        raise UserError(
            f"The memory of the network cannot be measured ({first_line(error)[:120]}): pass --batch-size."
        ) from error


def _measured(network: nn.Module, channels: int, view_sizes: Sequence[int], device: torch.device) -> int:
    with torch.random.fork_rng():
        trial = copy.deepcopy(network).to(device).train()
        return sum(
            (_saved(trial, channels, side, 4, device) - _saved(trial, channels, side, 2, device)) // 2
            for side in view_sizes
        )


def _saved(network: nn.Module, channels: int, side: int, count: int, device: torch.device) -> int:
    """Bytes that autograd keeps of so many images, each storage counted once."""
    storages: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = network(torch.zeros(count, channels, side, side, device=device))
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
