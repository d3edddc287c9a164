"""The rows of a training's metrics.jsonl, and the seconds that it has taken, whatever is trained."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from fullrank.runs import append_row, read_rows, write_rows

EVERY = 10  # steps between two rows about the loss


class Rows(pl.Callback):
    """Appends rows and tells `show` of each; books seconds by kind, also those before a resume.

    A subclass says what is written: it calls `forget_later` at the start, `tick` and `write` after steps.
    """

    def __init__(
        self, run: Path, *, show: Callable[[dict[str, Any]], None], kinds: tuple[str, ...] = ("seconds",)
    ) -> None:
        self.run = run
        self.show = show
        self.seconds = dict.fromkeys(kinds, 0.0)  # spent before this process, and by it up to now
        self._clock = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Seconds spent, so that a resumed run goes on counting."""
        return dict(self.seconds)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.seconds = dict(state_dict)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the rows that a killed process wrote after its last checkpoint."""
        self.start_clock()
        if trainer.is_global_zero:
            self.forget_later(trainer.global_step)

    def start_clock(self) -> None:
        """Count the seconds from now on."""
        self._clock = time.perf_counter()

    def forget_later(self, step: int) -> list[dict[str, Any]]:
        """Leave the rows up to a step, none at the start; those that are left."""
        rows = read_rows(self.run / "metrics.jsonl")
        kept = [row for row in rows if row["step"] <= step] if step else []
        write_rows(self.run / "metrics.jsonl", kept)
        return kept

    def tick(self, kind: str = "seconds") -> None:
        """Book the time since the last tick under `kind`."""
        now = time.perf_counter()
        self.seconds[kind] += now - self._clock
        self._clock = now

    @property
    def spent(self) -> float:
        """Seconds of all kinds."""
        return sum(self.seconds.values())

    def write(self, row: dict[str, Any]) -> None:
        """Append a row."""
        append_row(self.run / "metrics.jsonl", row)
        self.show(row)
