"""Writes how a classifier's training goes: a row about the loss now and then, and its scores after every epoch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from fullrank.runs import append_row, read_rows, write_rows
from fullrank.transfer.classifier import Classifier
from fullrank.transfer.scores import Scores

_EVERY = 10  # steps between two rows about the loss


class Epochs(pl.Callback):
    """Rows of metrics.jsonl: `score` makes the scores of an epoch, `show` is told of every row."""

    def __init__(
        self, run: Path, score: Callable[[Classifier], Scores], *, show: Callable[[dict[str, Any]], None]
    ) -> None:
        self.run = run
        self.score = score
        self.show = show
        self.seconds = 0.0
        self.last: Scores | None = None
        self._clock = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Seconds spent, so that a resumed run goes on counting."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.seconds = float(state_dict["seconds"])

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
        assert isinstance(pl_module, Classifier)
        step, per_epoch = trainer.global_step, pl_module.order.per_epoch
        if not trainer.is_global_zero:
            return
        now = time.perf_counter()
        self.seconds, self._clock = self.seconds + now - self._clock, now
        about = {"step": step, "epoch": round(step / per_epoch, 4), "seconds": round(self.seconds, 3)}
        if step % _EVERY == 0 or step % per_epoch == 0:
            self._write({"kind": "train", **about, "loss": float(pl_module.loss), "terms": {}})
        if step % per_epoch == 0:
            self.last = self.score(pl_module)
            self._write({"kind": "epoch", **about, **self.last.to_json()})

    def _write(self, row: dict[str, Any]) -> None:
        append_row(self.run / "metrics.jsonl", row)
        self.show(row)


def course(run: Path) -> list[dict[str, Any]]:
    """The scores after each epoch of a classifier's training, from its metrics.jsonl."""
    names = ("epoch", "top1", "top5", "balanced")
    return [{name: row[name] for name in names} for row in read_rows(run / "metrics.jsonl") if row["kind"] == "epoch"]
