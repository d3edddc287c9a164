"""Writes what is seen: metrics.jsonl, spectra.rows and probe.npz, from the first process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np

from fullrank.engine.optimizers import warmup_cosine
from fullrank.errors import UserError
from fullrank.runs import append_row, read_rows, write_rows
from fullrank.runs.arrays import DAMAGE
from fullrank.runs.spectra import append_spectra, read_spectra, write_spectra
from fullrank.training.module import Training
from fullrank.training.outputs import save_probe
from fullrank.training.probe import Probe, Reading, read

_EVERY = 10  # steps between two rows about the loss


class Record(pl.Callback):
    """Rows about the loss every 10 steps, about collapse every `every` steps; `show` is told of both."""

    def __init__(self, run: Path, probe: Probe, *, every: int, show: Callable[[dict[str, Any]], None]) -> None:
        self.run = run
        self.probe = probe
        self.every = every
        self.show = show
        self.seconds = {"train": 0.0, "monitor": 0.0}  # spent before this process, and by it up to now
        self.last: Reading | None = None
        self._clock = time.perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Seconds spent, so that a resumed run goes on counting."""
        return dict(self.seconds)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.seconds = dict(state_dict)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the rows that a killed process wrote after its last checkpoint; look at the untrained network."""
        self._clock = time.perf_counter()
        if not trainer.is_global_zero:
            return
        step = trainer.global_step
        rows = read_rows(self.run / "metrics.jsonl")
        kept = [row for row in rows if row["step"] <= step] if step else []
        write_rows(self.run / "metrics.jsonl", kept)
        self._recall([row["step"] for row in kept if row["kind"] == "monitor"])
        if step == 0:
            self._look(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write what this step has to say."""
        step, last = trainer.global_step, trainer.global_step == trainer.max_steps
        if not trainer.is_global_zero or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if step % _EVERY == 0 or last:
            self._say_loss(trainer, pl_module)
        if step % self.every == 0 or last:
            self._look(trainer, pl_module)

    def tick(self, kind: str) -> None:
        """Book the time since the last tick under `kind`."""
        now = time.perf_counter()
        self.seconds[kind] += now - self._clock
        self._clock = now

    def _say_loss(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Training)
        self.tick("train")
        terms = {name: float(value) for name, value in module.terms.items()}
        loss, plan = terms.pop("loss"), module.plan
        norm = None if module.gradient_norm is None else float(module.gradient_norm)
        row = {
            **self._when("train", trainer, module),
            "lr": plan.lr * warmup_cosine(trainer.global_step - 1, total=plan.steps, warmup=plan.warmup),
            "loss": loss,
            "terms": terms,
            "gradient_norm": norm if norm is not None and np.isfinite(norm) else None,
        }
        self._write(row)
        for logger in trainer.loggers:
            logger.log_metrics({"loss": loss, **terms}, step=trainer.global_step)

    def _look(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Training)
        self.tick("train")
        self.last = read(module.method, self.probe, module.views)
        self.tick("monitor")
        found = {name: values.numpy() for name, values in self.last.spectra.items()}
        append_spectra(self.run, trainer.global_step, found)
        save_probe(self.run, self.probe, self.last, step=trainer.global_step)
        self._write({**self._when("monitor", trainer, module), **self.last.row})
        for logger in trainer.loggers:
            for place in ("backbone", "embedding"):
                numbers = {f"{place}/{name}": value for name, value in self.last.row[place].items()}
                logger.log_metrics(numbers, step=trainer.global_step)

    def _when(self, kind: str, trainer: pl.Trainer, module: Training) -> dict[str, Any]:
        epoch = trainer.global_step * module.plan.accumulate / module.plan.steps_per_epoch
        seconds = round(sum(self.seconds.values()), 3)
        return {"kind": kind, "step": trainer.global_step, "epoch": round(epoch, 4), "seconds": seconds}

    def _write(self, row: dict[str, Any]) -> None:
        append_row(self.run / "metrics.jsonl", row)
        self.show(row)

    def _recall(self, steps: list[int]) -> None:
        """Take up the spectra of these steps again, after a resume."""
        try:
            spectra = read_spectra(self.run) if steps else {}
            kept = np.isin(spectra.get("steps", []), steps)
            write_spectra(self.run, {name: values[kept] for name, values in spectra.items()})
        except DAMAGE as error:
            raise UserError(f"The spectra in {self.run} are damaged ({str(error)[:120]}): delete them.") from error
