"""The machine and the libraries of a run, for its env.json."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from typing import Any

import torch


def environment(device: torch.device) -> dict[str, Any]:
    """What the run ran on."""
    libraries = ("fullrank", "torch", "torchvision", "timm", "lightning", "numpy")
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }
