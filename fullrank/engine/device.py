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


def world(options: TrainerOptions) -> int:
    """How many processes share the batches of a run with these options.

    >>> world(TrainerOptions(devices=4, nodes=2))
    8
    """
    return (options.devices or max(1, torch.cuda.device_count())) * options.nodes
