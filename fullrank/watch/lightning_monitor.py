"""The monitor as a callback of Lightning's Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from fullrank.watch.early_warning import Rules
from fullrank.watch.layer_monitor import Probe, ProbeMonitor, flat
from fullrank.watch.layers import Forward
from fullrank.watch.monitor import Alarm, OnAlarm
from fullrank.watch.schedule import BUDGET, Cost


class LightningMonitor(Callback):
    """Watches layers of a LightningModule, by name, on a fixed probe set; `CollapseMonitor` explains the options.

    Readings are taken after a training step, in eval mode and without a gradient, of what `module(batch)` makes of
    the probe (or `forward(module, batch)`), and go to the trainer's loggers as "collapse/LAYER/NUMBER". With
    on_alarm="stop" a failure sets `trainer.should_stop`. The readings are in the checkpoint. With several processes
    each reads the probe, they look at the same steps, and what one of them sees stops all.

    Args:
        layers: Names of modules, as `named_modules` has them.
        probe: The samples, as a batch or a loader of batches, of which at most 1,024 are kept.
        every, on_alarm, rules, profile, budget: As in `CollapseMonitor`.
        forward: What is called instead of the model with a batch, as `forward(module, batch)`.

    Raises:
        UserError: A layer is unknown, or an option cannot work.

    >>> import torch
    >>> probe = torch.randn(64, 3, 8, 8)
    >>> callback = LightningMonitor(("backbone", "projector"), probe, every=100, on_alarm="stop")
    >>> trainer = L.Trainer(callbacks=[callback], accelerator="cpu", logger=False, enable_checkpointing=False)
    """

    def __init__(
        self,
        layers: Sequence[str],
        probe: Probe,
        *,
        every: int | None = None,
        on_alarm: OnAlarm = "warn",
        rules: Rules | None = None,
        profile: str = "generic",
        budget: float = BUDGET,
        forward: Forward | None = None,
    ) -> None:
        self._monitor = ProbeMonitor(
            layers, probe, every=every, on_alarm=on_alarm, rules=rules, profile=profile, budget=budget, forward=forward
        )

    @property
    def alarms(self) -> list[Alarm]:
        """The alarms of all layers, by step."""
        return self._monitor.alarms

    @property
    def cost(self) -> Cost:
        """What all readings have cost, the forward passes of the probe included."""
        return self._monitor.schedule.cost

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._monitor.begin(trainer.global_step)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = trainer.global_step
        agree = trainer.strategy.reduce_boolean_decision if trainer.world_size > 1 else None
        if not self._monitor.due(step, agree):
            return
        readings = self._monitor.look(pl_module, step)
        for logger in trainer.loggers:
            logger.log_metrics(flat(readings), step)
        if self._monitor.should_stop(agree):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, Any]:
        return self._monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._monitor.load_state_dict(state_dict)
