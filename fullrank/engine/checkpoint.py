"""Checkpoints, and leaving a run in good order."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from fullrank.engine.sealed import is_sealed, previous, read
from fullrank.engine.signals import Asked
from fullrank.errors import UserError, first_line
from fullrank.runs import full_disk_is_an_error


def last_checkpoint(run: Path) -> Path:
    """Where the run's last checkpoint is: weights, optimizer, schedule, buffers and counters."""
    return run / "checkpoints" / "last.ckpt"


def from_previous(run: Path) -> None:
    """Make the checkpoint before the last one the last; if there is none, or it is damaged too, raise a UserError."""
    before = previous(last_checkpoint(run))
    if not before.exists():
        raise UserError(f"{run} has no checkpoint before its last one: leave out --previous.")
    is_sealed(before)
    os.replace(before, last_checkpoint(run))


@dataclass(frozen=True)
class Begun:
    """What a checkpoint says: whether it has a checksum, and the settings and processes with which it was trained.

    Those of version 0.1.0 have none of these.
    """

    sealed: bool
    learned: Mapping[str, Any] | None = None
    processes: int | None = None


def begun_by(run: Path) -> Begun:
    """What the last checkpoint of a run says; raises UserError if it is damaged."""
    path = last_checkpoint(run)
    if path.is_dir():  # shards of several processes
        return Begun(True)
    sealed = is_sealed(path)
    said = read(path, mapped=True).get("callbacks", {}).get(Checkpoint.__qualname__, {})
    return Begun(sealed, json.loads(said["learned"]) if "learned" in said else None, said.get("processes"))


class Checkpoint(pl.Callback):
    """Save every `every` steps, at the last step, and when the run was asked to stop; then stop.

    `learned` are the settings that decide what is learned, to be found in the checkpoint again.
    """

    def __init__(self, run: Path, *, every: int, learned: Mapping[str, Any] | None = None) -> None:
        self.path = last_checkpoint(run)
        self.every = every
        self.learned = learned
        self.asked = Asked()
        self.stopped_by = 0  # the number of the signal that all processes have agreed on
        self.begun = False
        self.processes = 1

    def state_dict(self) -> dict[str, Any]:
        """The settings, as text, and how many processes there are."""
        said = {} if self.learned is None else {"learned": json.dumps(self.learned, default=str)}
        return {**said, "processes": self.processes}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """What follows is no longer the reading of a checkpoint."""
        self.begun = True
        self.processes = trainer.world_size

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save if it is time."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        step = trainer.global_step
        asked = self.asked.agreed(trainer)
        self.stopped_by, stop = asked or 0, asked is not None
        if step % self.every == 0 or step == trainer.max_steps or stop:
            with full_disk_is_an_error(self.path):
                trainer.save_checkpoint(self.path)
        if stop:
            trainer.should_stop = True

    def ask_to_stop(self) -> None:
        """Stop with a checkpoint: after this step, or of several processes after the next one that they agree on."""
        self.asked.to_stop = True

    def forget_previous(self) -> None:
        """Delete the checkpoint before the last one: a run that is finished needs none."""
        previous(self.path).unlink(missing_ok=True)

    @contextmanager
    def fits(self) -> Iterator[None]:
        """During the body, a failure before the first step is that of a checkpoint that is not of this run."""
        try:
            yield
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if self.begun or not self.path.exists():
                raise
            first = first_line(error)[:200]
            raise UserError(
                f"{self.path} does not fit its run ({first}): config.json or the checkpoint was changed: put it back."
            ) from error

    def on_signals(self, *, quiet: bool = False) -> AbstractContextManager[None]:
        """During the body Ctrl-C, SIGTERM, SIGHUP and SIGUSR1 ask to stop after the step; a second ends at once."""
        return self.asked.heard(quiet=quiet)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """End the processes that this one has started: they would wait for it."""
        if trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signal.SIGKILL)
