"""Checks whether there is enough memory before it is taken."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

from fullrank.errors import UserError


def require_memory(wanted: int, what: str, remedy: str, device: torch.device | None = None) -> None:
    """Raise a UserError with the remedy if `wanted` bytes are more than are free.

    >>> require_memory(2**70, "Moments of 9 axes", "pass fewer")
    Traceback (most recent call last):
        ...
    fullrank.errors.UserError: Moments of 9 axes would take 1,099,511,627,776.0 GB, and ... GB are free: pass fewer.
    """
    free = torch.cuda.mem_get_info(device)[0] if device is not None and device.type == "cuda" else free_memory()
    if wanted > free:
        raise UserError(f"{what} would take {wanted / 2**30:,.1f} GB, and {free / 2**30:,.1f} GB are free: {remedy}.")


def free_memory() -> int:
    """Bytes that this process can still take, of the machine or of the container, whichever is less (Linux)."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 2**63
    machine = re.search(r"MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"))
    free = int(machine[1]) * 1024 if machine else pages
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        limit = _read(place).strip()
        free = min(free, int(limit)) if limit.isdigit() else free
    return free


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
