"""Writes how a classifier's training goes: a row about the loss now and then, and its scores after every epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from fullrank.engine.rows import EVERY, Rows
from fullrank.runs import read_rows
from fullrank.transfer.classifier import Classifier
from fullrank.transfer.scores import Scores


class Epochs(Rows):
    """Rows of metrics.jsonl: `score` makes the scores of an epoch, `show` is told of every row."""

    def __init__(
        self, run: Path, score: Callable[[Classifier], Scores], *, show: Callable[[dict[str, Any]], None]
    ) -> None:
        super().__init__(run, show=show)
        self.score = score
        self.last: Scores | None = None

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write what this step has to say."""
        assert isinstance(pl_module, Classifier)
        step, per_epoch = trainer.global_step, pl_module.order.per_epoch
        if trainer.is_global_zero:
            self.tick()
        about = {"step": step, "epoch": round(step / per_epoch, 4), "seconds": round(self.spent, 3)}
        if trainer.is_global_zero and (step % EVERY == 0 or step % per_epoch == 0):
            pl_module.require_finite()  # no row can hold what is not
            self.write({"kind": "train", **about, "loss": float(pl_module.loss), "terms": {}})
        if step % per_epoch:
            return
        self.last = self.score(pl_module)  # in every process: each looks at its share of the test images
        if trainer.is_global_zero:
            self.write({"kind": "epoch", **about, **self.last.to_json()})


def course(run: Path) -> list[dict[str, Any]]:
    """The scores after each epoch of a classifier's training, from its metrics.jsonl."""
    names = ("epoch", "top1", "top5", "balanced")
    return [{name: row[name] for name in names} for row in read_rows(run / "metrics.jsonl") if row["kind"] == "epoch"]
