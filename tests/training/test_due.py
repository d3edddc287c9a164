"""Readings take a twentieth of the time at most, and never touch what is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from fullrank.nn import load_encoder
from fullrank.recipes import Recipe
from fullrank.runs import read_json, read_rows
from fullrank.training.probe import Probe
from fullrank.training.record import Record

Train = Callable[..., tuple[Path, bool]]


def record(every: int | None, *, train: float, monitor: float, latest: float) -> Record:
    """One that has spent so many seconds."""
    made = Record(Path(), Probe(torch.zeros(8, 1, 4, 4), None), every=every, show=lambda row: None)
    made.seconds, made.latest = {"train": train, "monitor": monitor}, latest
    made.start_clock()
    return made


@pytest.mark.parametrize(
    ("train", "monitor", "latest", "due"),
    [(100.0, 4.0, 0.5, True), (100.0, 4.8, 0.5, False), (1.0, 0.4, 0.4, False), (1000.0, 0.0, 40.0, True)],
)
def test_a_reading_that_would_exceed_its_share_is_left_out(
    train: float, monitor: float, latest: float, due: bool
) -> None:
    by_time = record(None, train=train, monitor=monitor, latest=latest)
    assert [by_time.due(step, 9_999) for step in (99, 100, 150)] == [False, due, False]
    by_step = record(50, train=train, monitor=monitor, latest=latest)
    assert [by_step.due(step, 9_999) for step in (99, 100, 150)] == [False, True, True]


def test_the_reading_before_half_of_the_steps_is_never_left_out() -> None:
    """Verdicts compare it with the last, and would depend on how fast the machine is."""
    slow = record(None, train=1.0, monitor=1.0, latest=1.0)
    assert [step for step in range(1, 551) if slow.due(step, 551)] == [200]
    assert not any(slow.due(step, 199) for step in range(1, 199))


@pytest.mark.slow
def test_weights_do_not_depend_on_readings(train: Train, small: Recipe) -> None:
    states: list[dict[str, Any]] = []
    for every in (1, None):
        run, _ = train(f"every-{every}", small, monitor_every=every)
        states.append(load_encoder(run / "encoder.safetensors").encoder.state_dict())
        looks = [row["step"] for row in read_rows(run / "metrics.jsonl") if row["kind"] == "monitor"]
        assert looks == ([*range(13)] if every else [0, 12])
        assert read_json(run / "config.json")["run"]["monitor_every"] == every
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
