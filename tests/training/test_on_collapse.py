"""A run asks the signs of `fullrank.watch`: it says them, and stops at a failure if it was told to."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fullrank.diagnosis.profiles import find_profile
from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.recipes import Recipe
from fullrank.runs import append_row, read_rows
from fullrank.training.fit import resume, start
from fullrank.training.on_collapse import OnCollapse
from fullrank.training.probe import Reading, read
from fullrank.watch import Rules

HEALTHY = {
    "relative_spread": 0.9, "mean_cosine": 0.1, "effective_rank": 40.0, "participation_ratio": 30.0,
    "rankme_centered": 50.0, "row_norm": 3.0, "n": 500.0, "dims": 64.0,
}  # fmt: skip
POINT = HEALTHY | {"relative_spread": 0.001, "mean_cosine": 1.0}


def look(step: int, backbone: dict[str, float], embedding: dict[str, float]) -> dict[str, object]:
    return {"kind": "monitor", "step": step, "backbone": backbone, "embedding": embedding}


def test_each_alarm_of_each_layer_is_said_once(tmp_path: Path) -> None:
    said: list[str] = []
    callback = OnCollapse(tmp_path, find_profile("generic"), say=said.append, stop=None)
    callback.show({"kind": "train", "step": 0})
    for step in range(0, 1000, 100):
        callback.show(look(step, HEALTHY, HEALTHY if step < 500 else POINT))
    assert [line.split(": ")[0] for line in said] == ["embedding, step 600", "embedding, step 700"]
    assert said[1].startswith("embedding, step 700: Collapsed to a point")


def test_a_run_that_is_resumed_does_not_say_again_what_it_said(tmp_path: Path) -> None:
    class Trainer:
        global_step, is_global_zero = 700, True

    for step in range(0, 800, 100):
        append_row(tmp_path / "metrics.jsonl", look(step, HEALTHY, HEALTHY if step < 500 else POINT))
    said: list[str] = []
    callback = OnCollapse(tmp_path, find_profile("generic"), say=said.append, stop=None)
    callback.on_train_start(Trainer(), None)  # type: ignore[arg-type]
    callback.show(look(800, HEALTHY, POINT))
    assert said == []


@pytest.mark.slow
def test_a_failure_stops_the_run_with_a_checkpoint_and_it_can_go_on(
    tmp_path: Path, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def falls(*args: Any) -> Reading:
        reading = read(*args)
        looks.append(reading)
        if len(looks) > 3:
            reading.row["embedding"] |= {"relative_spread": 0.001, "mean_cosine": 1.0}
        return reading

    monkeypatch.setattr("fullrank.training.record.read", falls)
    monkeypatch.setattr("fullrank.training.on_collapse.Rules", lambda: Rules(pace=1))
    run, out = tmp_path / "run", io.StringIO()
    options = RunOptions(out=run, monitor_every=1, probe=100, on_collapse="stop")
    _, finished = start("intl", small, options, Console(file=out, width=200))
    assert not finished
    assert "embedding, step 5: Collapsed to a point" in out.getvalue()
    assert "The run stops, as --on-collapse stop asks." in out.getvalue()
    assert last_checkpoint(run).exists()
    assert read_rows(run / "metrics.jsonl")[-1]["step"] == 5
    again = io.StringIO()
    assert resume(run, small, options, Console(file=again, width=200))
    assert "The run stops" not in again.getvalue()  # it is known
