"""The device that a single process works on, and how many processes there are."""

from __future__ import annotations

import torch

from fullrank.engine.options import TrainerOptions
from fullrank.errors import UserError


def this_device() -> torch.device:
    """The GPU where there is one, else the CPU.

    >>> this_device().type in ("cuda", "cpu")
    True
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision_of(asked: str) -> str:
    """The precision that this machine trains in: what was asked for, or for auto the best of its own.

    >>> precision_of("bf16-mixed")
    'bf16-mixed'
    """
    if asked != "auto":
        return asked
    return "bf16-mixed" if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "32-true"


def require_precision(asked: str) -> None:
    """Raise a UserError for 16-mixed without a GPU, where Lightning would train in bf16-mixed.

    >>> require_precision("32-true")
    """
    if asked == "16-mixed" and not torch.cuda.is_available():
        raise UserError(
            "--precision 16-mixed needs a GPU: pass bf16-mixed or 32-true, or for a run that goes on write it into its "
            "config.json and pass --any-settings."
        )


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
