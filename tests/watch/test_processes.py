"""Several processes: one of them speaks, and what it says stops all."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
import torch
from torch.multiprocessing.spawn import spawn

from fullrank.watch import CollapseMonitor, Rules
from tests.metrics.clouds import offset
from tests.processes import joined

WORLD = 2


def process(rank: int, folder: str) -> None:
    with joined(rank, WORLD, folder):
        monitor = CollapseMonitor(every=1, on_alarm="stop", rules=Rules(grace=0, pace=1))
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for step in range(6):
                monitor(offset(1e-3, 256, 16, seed=WORLD * step + rank))
        found = [str(one.message) for one in said], [(alarm.step, alarm.rule) for alarm in monitor.alarms]
        torch.save((found, monitor.should_stop), f"{folder}/{rank}.pt")


@pytest.mark.slow
def test_one_process_speaks_and_every_one_knows(tmp_path: Path) -> None:
    spawn(process, args=(str(tmp_path),), nprocs=WORLD)
    (first, stops), (second, others_stop) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(WORLD))
    assert len(first[0]) == 1
    assert "Collapsed to a point" in first[0][0]
    assert second[0] == []
    assert first[1] == second[1] == [(2, "collapse")]
    assert stops
    assert others_stop
