from __future__ import annotations

import io
import re
import time

import pytest
from rich.console import Console

from fullrank.engine.progress import Progress

TRAIN = {"kind": "train", "step": 50, "seconds": 10.0, "loss": 1.25}
MONITOR = {
    "kind": "monitor", "step": 50, "seconds": 10.5, "knn": 0.8765,
    "embedding": {"relative_spread": 0.5, "effective_rank": 12.3, "dims": 64},
}  # fmt: skip


def test_the_line_has_time_left_loss_spread_rank_and_knn() -> None:
    progress = Progress("run", 100, Console(file=io.StringIO()))
    progress.show(TRAIN | {"step": 0, "seconds": 0.0})
    progress.show(TRAIN)
    progress.show(MONITOR)
    expected = "run   50/100  0:00:10 left  loss 1.2500  relative spread 0.500  effective rank 12.3/64  kNN 0.876"
    assert progress.line() == expected


def test_a_resumed_run_reckons_with_its_own_speed() -> None:
    progress = Progress("run", 100, Console(file=io.StringIO()))
    progress.show(TRAIN | {"step": 60, "seconds": 1000.0})
    progress.show(TRAIN | {"step": 80, "seconds": 1002.0})
    assert "0:00:02 left" in progress.line()


def test_plain_lines_when_the_output_is_no_terminal() -> None:
    file = io.StringIO()
    progress = Progress("run", 100, Console(file=file, width=60))
    with progress.shown():
        for step in (0, 10, 20, 100):
            progress.show(MONITOR | {"step": step, "knn": None})
    lines = file.getvalue().splitlines()
    assert [line.split()[1] for line in lines] == ["0/100", "100/100"]  # the others came within ten seconds
    assert "\x1b" not in file.getvalue()


def test_one_line_is_redrawn_in_a_terminal() -> None:
    file = io.StringIO()
    progress = Progress("run", 100, Console(file=file, force_terminal=True, width=120))
    with progress.shown():
        progress.show(TRAIN)
        progress.show(MONITOR)
    assert "effective rank 12.3/64" in file.getvalue()


def test_between_two_rows_the_line_moves_and_tells_speed_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((10.0, 10.5, 11.0))
    monkeypatch.setattr("fullrank.engine.progress.time.monotonic", lambda: next(clock))
    progress = Progress("run", 100, Console(file=io.StringIO(), force_terminal=True))
    progress.show(TRAIN)
    for step in (51, 52, 53):
        progress.step(step, 64)
    left, loss = progress.line().split("  loss ")
    assert re.fullmatch(r"run   53/100  0:00:09 left  128 images/s  memory \d+\.\d GiB", left)
    assert loss == "1.2500"


def test_a_terminal_is_redrawn_while_nothing_is_told() -> None:
    file = io.StringIO()
    progress = Progress("run", 100, Console(file=file, force_terminal=True, width=120))
    with progress.shown():
        time.sleep(0.8)
        drawn = file.getvalue().count("0/100")
    assert drawn >= 2


@pytest.mark.parametrize(
    ("reading", "network", "said"),
    [
        (130.0, 5300.0, "images/s, limited by reading (network 5,300)"),
        (900.0, 128.0, "images/s, limited by the network (reading 900)"),
        (None, 128.0, "images/s  memory"),
        (900.0, None, "images/s  memory"),
    ],
)
def test_the_line_names_the_slower_of_reading_and_network(
    reading: float | None, network: float | None, said: str
) -> None:
    progress = Progress("run", 100, Console(file=io.StringIO()))
    progress.show(TRAIN | {"images_per_second": {"all": 127.0, "reading": reading, "network": network}})
    for step in (51, 52):
        progress.step(step, 64)
    assert said in progress.line()
