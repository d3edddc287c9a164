"""The device that a single process works on, and how many processes there are."""

from __future__ import annotations

import torch

from fullrank.engine.options import TrainerOptions


def this_device() -> torch.device:
    """The GPU where there is one, else the CPU.

    >>> this_device().type in ("cuda", "cpu")
    True
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def seed_networks(seed: int, device: torch.device) -> None:
    """Seed what dropout and drop path draw from, on the CPU and on this device.

    torch.manual_seed draws the same, but keeps the stack of its call for each kind of GPU that is not in use: that took
    milliseconds of a step.

    >>> seed_networks(5, torch.device("cpu")), torch.rand(()) == torch.rand((), generator=torch.manual_seed(5))
    (None, tensor(True))
    """
    if device.type not in ("cpu", "cuda"):
        torch.manual_seed(seed)
        return
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def world(options: TrainerOptions) -> int:
    """How many processes share the batches of a run with these options.

    >>> world(TrainerOptions(devices=4, nodes=2))
    8
    """
    return (options.devices or max(1, torch.cuda.device_count())) * options.nodes
