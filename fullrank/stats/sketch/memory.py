"""Checks whether there is enough memory before it is taken."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import torch

from fullrank.errors import UserError

# Files of a control group, by version: its limit, what is used, and its statistics, with the names of what is cached
# and goes when memory is needed.
_FIRST = ("memory.limit_in_bytes", "memory.usage_in_bytes", "memory.stat", "total_(?:in)?active_file")
_SECOND = ("memory.max", "memory.current", "memory.stat", "(?:in)?active_file|slab_reclaimable")


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
    """Bytes that this process can still take, of the machine or of its container, whichever is less (Linux)."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 2**63
    machine = re.search(r"MemAvailable:\s+(\d+) kB", _read("/proc/meminfo"))
    return min([int(machine[1]) * 1024 if machine else pages, *_left_in_groups()])


def _left_in_groups() -> Iterator[int]:
    """What is left in each control group of this process that has a limit, its own and those above it."""
    for line in (_read("/proc/self/cgroup") or "0::/\n1:memory:/").splitlines():
        _, kinds, own = line.split(":", 2)
        if kinds and "memory" not in kinds.split(","):
            continue
        names = _FIRST if kinds else _SECOND
        root = Path("/sys/fs/cgroup") / ("memory" if kinds else "")
        inside = PurePosixPath(own.lstrip("/"))
        for place in (inside, *inside.parents):  # the last is the root, which is the container's own from within it
            limit, used, unused = (_read(str(root / place / name)).strip() for name in names[:3])
            cached = map(int, re.findall(rf"^(?:{names[3]}) (\d+)$", unused, re.MULTILINE))
            if limit.isdigit():
                yield min(max(int(limit) - int(used or 0) + sum(cached), 0), int(limit))


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
