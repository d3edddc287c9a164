"""Checkpoints, and leaving a run in good order."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl

from fullrank.runs import full_disk_is_an_error


def last_checkpoint(run: Path) -> Path:
    """Where the run's one checkpoint is: weights, optimizer, schedule, buffers and counters."""
    return run / "checkpoints" / "last.ckpt"


class Checkpoint(pl.Callback):
    """Save every `every` steps, at the last step, and when the run was asked to stop; then stop."""

    def __init__(self, run: Path, *, every: int) -> None:
        self.path = last_checkpoint(run)
        self.every = every
        self.asked_to_stop = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        if step % self.every == 0 or step == trainer.max_steps or self.asked_to_stop:
            self._save(trainer)
        if self.asked_to_stop:
            trainer.should_stop = True

    def ask_to_stop(self) -> None:
        """Stop after this step, with a checkpoint."""
        self.asked_to_stop = True

    def _save(self, trainer: pl.Trainer) -> None:
        beside = self.path.with_name(f".{self.path.name}.part")
        with full_disk_is_an_error(self.path):
            try:
                trainer.save_checkpoint(beside)
                if trainer.is_global_zero:
                    os.replace(beside, self.path)
            finally:
                if trainer.is_global_zero:
                    beside.unlink(missing_ok=True)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """During the body Ctrl-C and SIGTERM ask to stop after the step; a second one interrupts at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def ask(number: int, frame: FrameType | None) -> None:
            if self.asked_to_stop:
                raise KeyboardInterrupt
            self.asked_to_stop = True

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
