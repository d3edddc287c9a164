"""Writes what is seen of a detector's training: metrics.jsonl, and the scores when it is time for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from fullrank.detection.module import Detecting
from fullrank.detection.scores import Found
from fullrank.engine.rows import EVERY, Rows

Score = Callable[[torch.device, bool], tuple[Sequence[Found], dict[str, Any]]]
"""From a device, and whether it is the end, to what was found and how right it is; all processes call it."""


class Record(Rows):
    """Rows about the losses every 10 steps, and scores every `every` steps and at the end; `show` is told of both."""

    def __init__(self, run: Path, score: Score, *, every: int | None, show: Callable[[dict[str, Any]], None]) -> None:
        super().__init__(run, show=show)
        self.score = score
        self.every = every
        self.last: tuple[Sequence[Found], dict[str, Any]] | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write what this step has to say."""
        assert isinstance(pl_module, Detecting)
        step, last = trainer.global_step, trainer.global_step == trainer.max_steps
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        self.tick()
        if trainer.is_global_zero and (step % EVERY == 0 or last):
            self._say_loss(trainer, pl_module)
        if last or (self.every is not None and step % self.every == 0):
            self._look(trainer, pl_module, last)

    def _say_loss(self, trainer: pl.Trainer, module: Detecting) -> None:
        module.require_finite()  # no row can hold what is not
        terms = {name: float(value) for name, value in module.terms.items()}
        rate = module.settings.lr * module.plan.rate(trainer.global_step - 1)
        self.write({**self._when("train", trainer, module), "lr": rate, "loss": terms.pop("loss"), "terms": terms})

    def _look(self, trainer: pl.Trainer, module: Detecting, last: bool) -> None:
        self.last = self.score(module.device, last)
        self.tick()
        if trainer.is_global_zero:
            self.write({**self._when("evaluation", trainer, module), "scores": self.last[1]})

    def _when(self, kind: str, trainer: pl.Trainer, module: Detecting) -> dict[str, Any]:
        epoch = trainer.global_step * trainer.accumulate_grad_batches / module.plan.steps_per_epoch
        return {
            "kind": kind,
            "step": trainer.global_step,
            "epoch": round(epoch, 4),
            "seconds": round(self.spent, 3),
        }
