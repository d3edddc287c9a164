"""Writes what is seen of a detector's training: metrics.jsonl, and the scores when it is time for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from fullrank.detection.module import Detecting
from fullrank.detection.scores import Found
from fullrank.runs import append_row, read_rows, write_rows

_EVERY = 10  # steps between two rows about the loss
Score = Callable[[torch.device, bool], tuple[Sequence[Found], dict[str, Any]]]
"""From a device, and whether it is the end, to what was found and how right it is; all processes call it."""


class Record(pl.Callback):
    """Rows about the losses every 10 steps, and scores every `every` steps and at the end; `show` is told of both."""

    def __init__(self, run: Path, score: Score, *, every: int | None, show: Callable[[dict[str, Any]], None]) -> None:
        self.run = run
        self.score = score
        self.every = every
        self.show = show
        self.seconds = 0.0
        self.last: tuple[Sequence[Found], dict[str, Any]] | None = None
        self._clock = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Seconds spent, so that a resumed run goes on counting."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.seconds = state_dict["seconds"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the rows that a killed process wrote after its last checkpoint."""
        self._clock = time.perf_counter()
        if trainer.is_global_zero:
            rows = read_rows(self.run / "metrics.jsonl")
            write_rows(self.run / "metrics.jsonl", [row for row in rows if row["step"] <= trainer.global_step])

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write what this step has to say."""
        assert isinstance(pl_module, Detecting)
        step, last = trainer.global_step, trainer.global_step == trainer.max_steps
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self._tick()
        if trainer.is_global_zero and (step % _EVERY == 0 or last):
            self._say_loss(trainer, pl_module)
        if last or (self.every is not None and step % self.every == 0):
            self._look(trainer, pl_module, last)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.seconds += now - self._clock
        self._clock = now

    def _say_loss(self, trainer: pl.Trainer, module: Detecting) -> None:
        terms = {name: float(value) for name, value in module.terms.items()}
        rate = module.settings.lr * module.plan.rate(trainer.global_step - 1)
        self._write({**self._when("train", trainer, module), "lr": rate, "loss": terms.pop("loss"), "terms": terms})

    def _look(self, trainer: pl.Trainer, module: Detecting, last: bool) -> None:
        self.last = self.score(module.device, last)
        self._tick()
        if trainer.is_global_zero:
            self._write({**self._when("evaluation", trainer, module), "scores": self.last[1]})

    def _when(self, kind: str, trainer: pl.Trainer, module: Detecting) -> dict[str, Any]:
        epoch = trainer.global_step * trainer.accumulate_grad_batches / module.plan.steps_per_epoch
        return {
            "kind": kind,
            "step": trainer.global_step,
            "epoch": round(epoch, 4),
            "seconds": round(self.seconds, 3),
        }

    def _write(self, row: dict[str, Any]) -> None:
        append_row(self.run / "metrics.jsonl", row)
        self.show(row)
