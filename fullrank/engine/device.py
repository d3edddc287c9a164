"""The device that a single process works on."""

from __future__ import annotations

import torch


def this_device() -> torch.device:
    """The GPU where there is one, else the CPU.

    >>> this_device().type in ("cuda", "cpu")
    True
    """
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
