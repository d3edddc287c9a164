"""Contenders that take turns in one process, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def alternating(runs: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """The seconds that each run says of each round, after one round to warm up."""
    seconds: dict[str, list[float]] = {contender: [] for contender in runs}
    for turn in range(rounds + 1):
        for contender, measure in runs.items():
            elapsed = measure()
            if turn:
                seconds[contender].append(elapsed)
    return seconds


def processor_seconds(work: Callable[[], object]) -> float:
    """Processor seconds that a call takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun
