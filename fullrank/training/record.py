"""Writes what is seen: metrics.jsonl, spectra.rows and probe.npz, from the first process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np

from fullrank.data.pace import Speed
from fullrank.engine.optimizers import warmup_cosine
from fullrank.engine.rows import EVERY, Rows
from fullrank.errors import UserError
from fullrank.runs.arrays import DAMAGE
from fullrank.runs.spectra import append_spectra, read_spectra, write_spectra
from fullrank.training.module import Training
from fullrank.training.outputs import save_probe
from fullrank.training.probe import Probe, Reading, read

_USUAL = 100  # steps between two readings
_SHARE = 0.05  # of the time, that readings may take where nobody said how many steps lie between them


class Record(Rows):
    """Rows about the loss every 10 steps, about collapse every `every` steps; `show` is told of both.

    Where `every` is None, these are 100 steps, and a reading is left out that would take too much of the time, but not
    the one before half of all steps: verdicts compare it with the end, and must not depend on the machine's speed.
    """

    def __init__(
        self,
        run: Path,
        probe: Probe,
        *,
        every: int | None,
        show: Callable[[dict[str, Any]], None],
        speed: Speed | None = None,
    ) -> None:
        super().__init__(run, show=show, kinds=("train", "monitor"))
        self.probe = probe
        self.every = every
        self.speed = speed
        self.last: Reading | None = None
        self.latest = 0.0  # seconds of the last reading of this process
        self._said = 0, 0.0  # the step of the last row about the loss, and the seconds of training until then

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget what a killed process wrote after its last checkpoint; look at the untrained network."""
        self.start_clock()
        if not trainer.is_global_zero:
            return
        self._said = trainer.global_step, self.seconds["train"]
        kept = self.forget_later(trainer.global_step)
        self._recall([row["step"] for row in kept if row["kind"] == "monitor"])
        if trainer.global_step == 0:
            self._look(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write what this step has to say."""
        step, last = trainer.global_step, trainer.global_step == trainer.max_steps
        if not trainer.is_global_zero or (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        if step % EVERY == 0 or last:
            self._say_loss(trainer, pl_module)
        if last or self.due(step, trainer.max_steps):
            self._look(trainer, pl_module)

    def due(self, step: int, steps: int) -> bool:
        """Whether a reading follows on a step of so many; it changes nothing of the training."""
        if self.every is not None:
            return step % self.every == 0
        if step % _USUAL:
            return False
        if step == steps // 2 // _USUAL * _USUAL:
            return True
        self.tick("train")
        return self.seconds["monitor"] + self.latest <= _SHARE * (self.spent + self.latest)

    def _say_loss(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Training)
        module.require_finite()  # a GPU has done all of its work then, and no row can hold what is not
        terms = {name: float(value) for name, value in module.terms.items()}
        loss, plan = terms.pop("loss"), module.plan
        norm = None if module.gradient_norm is None else float(module.gradient_norm)
        self.tick("train")
        row = {
            **self._when("train", trainer, module),
            "lr": plan.lr * warmup_cosine(trainer.global_step - 1, total=plan.steps, warmup=plan.warmup),
            "loss": loss,
            "terms": {name: _known(value) for name, value in terms.items()},
            "gradient_norm": None if norm is None else _known(norm),
            "images_per_second": self._rates(trainer.global_step, plan.batch_size * plan.accumulate),
        }
        self.write(row)
        rates = {f"images_per_second/{name}": rate for name, rate in row["images_per_second"].items() if rate}
        for logger in trainer.loggers:
            logger.log_metrics({"loss": loss, **terms, **rates}, step=trainer.global_step)

    def _rates(self, step: int, images: int) -> dict[str, float | None]:
        """Images per second since the last row, with so many images in a step."""
        before, self._said = self._said, (step, self.seconds["train"])
        if self.speed is None:
            return {}
        return self.speed.since((step - before[0]) * images, self._said[1] - before[1])

    def _look(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Training)
        module.require_finite()
        self.tick("train")
        before = self.seconds["monitor"]
        self.last = read(module.method, self.probe, module.views)
        self.tick("monitor")
        found = {name: values.numpy() for name, values in self.last.spectra.items()}
        append_spectra(self.run, trainer.global_step, found)
        save_probe(self.run, self.probe, self.last, step=trainer.global_step)
        self.write({**self._when("monitor", trainer, module), **self.last.row})
        for logger in trainer.loggers:
            for place in ("backbone", "embedding"):
                numbers = {f"{place}/{name}": value for name, value in self.last.row[place].items()}
                logger.log_metrics(numbers, step=trainer.global_step)
        self.tick("monitor")
        self.latest = self.seconds["monitor"] - before

    def _when(self, kind: str, trainer: pl.Trainer, module: Training) -> dict[str, Any]:
        epoch = trainer.global_step * module.plan.accumulate / module.plan.steps_per_epoch
        spent = round(self.spent, 3)
        return {"kind": kind, "step": trainer.global_step, "epoch": round(epoch, 4), "seconds": spent}

    def _recall(self, steps: list[int]) -> None:
        """Take up the spectra of these steps again, after a resume."""
        try:
            spectra = read_spectra(self.run) if steps else {}
            kept = np.isin(spectra.get("steps", []), steps)
            write_spectra(self.run, {name: values[kept] for name, values in spectra.items()})
        except DAMAGE as error:
            raise UserError(f"The spectra in {self.run} are damaged ({str(error)[:120]}): delete them.") from error


def _known(value: float) -> float | None:
    """A number as JSON has it: a term that takes no part in the loss may be infinite, as float16's gradients may be."""
    return value if np.isfinite(value) else None
