"""What a run does at signs of collapse: those of `fullrank.watch`, asked of our own training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from fullrank.diagnosis.profiles import Profile
from fullrank.runs import read_rows
from fullrank.watch import Rules
from fullrank.watch.early_warning import Sign, Watcher


class OnCollapse(pl.Callback):
    """Says every alarm of backbone and embedding once; at a failure it asks the run to stop, if `stop` is given.

    `show` takes the rows of metrics.jsonl in the first process, which asks for all. A run that goes on after a stop
    knows what was said.
    """

    def __init__(
        self, run: Path, profile: Profile, *, say: Callable[[str], None], stop: Callable[[], None] | None
    ) -> None:
        self._run, self._say, self._stop = run, say, stop
        self._watchers = {where: Watcher(Rules(), profile) for where in ("backbone", "embedding")}
        self._stopped = False

    def show(self, row: dict[str, Any]) -> None:
        """Judge a row about collapse and say what is new."""
        for where, sign in self._signs(row):
            self._say(f"{where}, step {row['step']}: {sign.sentence}")
            if sign.severity == "fail" and self._stop is not None and not self._stopped:
                self._say("The run stops, as --on-collapse stop asks.")
                self._stopped = True
                self._stop()

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take up the readings of a run that is resumed."""
        if trainer.global_step and trainer.is_global_zero:
            for row in read_rows(self._run / "metrics.jsonl"):
                self._signs(row)

    def _signs(self, row: dict[str, Any]) -> list[tuple[str, Sign]]:
        if row["kind"] != "monitor":
            return []
        found = {where: watcher.read(row["step"], row[where])[1] for where, watcher in self._watchers.items()}
        return [(where, sign) for where, signs in found.items() for sign in signs]
