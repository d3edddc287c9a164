"""The rates of reading and of the network, of batches that take a known time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from fullrank.data import DataOptions, train_batches
from fullrank.data.decode import Opener
from fullrank.data.files.folder import read_folder
from fullrank.data.pace import Pace, Speed

SLOW = 0.01  # seconds


def slow_crop(opened: Opener, generator: torch.Generator) -> list[Tensor]:
    """A crop that takes a hundredth of a second."""
    time.sleep(SLOW)
    return [torch.zeros(3, 4, 4, dtype=torch.uint8)]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_rate_of_reading_counts_all_workers(tmp_path: Path, workers: int) -> None:
    for number in range(8):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    images = read_folder(tmp_path, options=DataOptions(), say=lambda text: None).train
    pace = Pace()
    made = train_batches(
        images,
        batch_size=4,
        seed=0,
        start=0,
        stop=2,
        workers=workers,
        crop=slow_crop,
        device="cpu",
        pace=pace,
    )
    assert len([*pace.waiting(made)]) == 2
    assert pace.images == 8
    assert pace.seconds >= 8 * SLOW  # of every image, whoever read it; on a busy machine they take longer
    assert pace.rate(workers) == 8 * max(1, workers) / pace.seconds
    assert pace.waited >= 8 * SLOW / max(1, workers)


def test_a_network_that_waits_for_images_is_told_from_one_for_which_images_wait() -> None:
    pace = Pace()
    speed = Speed(pace, workers=1, world=2)

    def batches() -> Iterator[int]:
        for number in range(2):
            time.sleep(SLOW)
            yield number

    begun = time.perf_counter()
    for _ in pace.waiting(batches()):
        pace.read(5, SLOW)  # of this process; the other one is as fast
    told = speed.since(20, time.perf_counter() - begun)
    assert told["reading"] == 2 * 5 / SLOW
    assert told["network"] is not None
    assert told["all"] is not None
    assert told["network"] > 4 * told["all"]  # it did nothing but wait

    again = speed.since(20, 0.5)  # this time nothing was read, and nothing waited for
    assert again == {"all": 40.0, "reading": None, "network": 40.0}
    assert speed.whole()["reading"] == told["reading"]


def test_a_rate_is_unknown_where_no_time_was_measured() -> None:
    speed = Speed(Pace(), workers=2, world=1)
    speed.pace.read(24, 0.02)
    speed.pace.waited = 0.2
    assert speed.since(24, 0.1) == {"all": 240.0, "reading": 2400.0, "network": None}
    assert speed.since(8, 0.0) == {"all": None, "reading": None, "network": None}
    assert speed.whole() == {"all": 320.0, "reading": 2400.0, "network": None}
