"""Seconds of work on a device, and how often the CPU waited for it."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Mapping

import torch

from benchmarks.alternating import alternating

Work = Callable[[], object]


def settle(device: torch.device) -> None:
    """Wait until a GPU has done all of its work."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def seconds(runs: Mapping[str, Work], device: torch.device, *, repeats: int, rounds: int) -> dict[str, float]:
    """Median seconds of each piece of work; they alternate, and each is done so many times in a round."""

    def measured(work: Work) -> Callable[[], float]:
        def measure() -> float:
            settle(device)
            begun = time.perf_counter()
            for _ in range(repeats):
                work()
            settle(device)
            return (time.perf_counter() - begun) / repeats

        return measure

    taken = alternating({name: measured(work) for name, work in runs.items()}, rounds)
    return {name: statistics.median(times) for name, times in taken.items()}


def waits(work: Work, device: torch.device) -> int | None:
    """How often the CPU waits for the GPU in some work, as torch counts it; None on a CPU."""
    if device.type != "cuda":
        work()
        return None
    settle(device)
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            work()
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return sum("synchroniz" in str(one.message) for one in found)
