"""The monitor as a callback of the Trainer of Hugging Face's Transformers (and of Sentence Transformers)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import torch.distributed as dist

from fullrank.errors import UserError
from fullrank.watch.early_warning import Rules
from fullrank.watch.layer_monitor import Probe, ProbeMonitor, flat
from fullrank.watch.layers import Forward
from fullrank.watch.monitor import Alarm, OnAlarm
from fullrank.watch.schedule import BUDGET, Cost


def hf_monitor(
    layers: Sequence[str],
    probe: Probe,
    *,
    every: int | None = None,
    on_alarm: OnAlarm = "warn",
    rules: Rules | None = None,
    profile: str = "generic",
    budget: float = BUDGET,
    forward: Forward | None = None,
) -> HFMonitor:
    """A `transformers.TrainerCallback` that watches layers, by name, on a fixed probe set.

    The probe is a mapping like a tokenizer returns ("input_ids", "attention_mask"), or a loader of such batches;
    `CollapseMonitor` explains the options. Readings are taken after a step, in eval mode and without a gradient, and
    go to the trainer's `state.log_history` as "collapse/LAYER/NUMBER", from where a resumed training reads them again;
    `callback.log_to(trainer.log)` sends them to W&B, TensorBoard and whatever else the trainer reports to, too.
    With on_alarm="stop" a failure sets `control.should_training_stop`. With several processes each reads the probe,
    they look at the same steps, and what one of them sees stops all.

    Args:
        layers: Names of modules, as `named_modules` has them.
        probe: The samples, as a batch or a loader of batches, of which at most 1,024 are kept.
        every, on_alarm, rules, profile, budget: As in `CollapseMonitor`.
        forward: What is called instead of the model with a batch, as `forward(module, batch)`.

    Raises:
        UserError: Transformers is not installed, or a layer is unknown.

    In use:

        trainer = Trainer(model, arguments, train_dataset=texts,
                          callbacks=[hf_monitor(["encoder"], tokenizer(sentences, padding=True, return_tensors="pt"))])
    """
    try:
        base = import_module("transformers").TrainerCallback
    except ImportError:
        raise UserError("hf_monitor needs Transformers: install it with `pip install 'fullrank[hf]'`.") from None
    callback: HFMonitor = type("HFMonitor", (HFMonitor, base), {})(
        ProbeMonitor(
            layers, probe, every=every, on_alarm=on_alarm, rules=rules, profile=profile, budget=budget, forward=forward
        )
    )
    return callback


class HFMonitor:
    """What `hf_monitor` adds to a `TrainerCallback`; the signatures of the events are those of Transformers."""

    def __init__(self, monitor: ProbeMonitor) -> None:
        self._monitor = monitor
        self._log: Callable[[dict[str, float]], object] | None = None

    def log_to(self, log: Callable[[dict[str, float]], object]) -> None:
        """Log the numbers by the trainer's own `log`, which no callback is given."""
        self._log = log

    @property
    def alarms(self) -> list[Alarm]:
        """The alarms of all layers, by step."""
        return self._monitor.alarms

    @property
    def cost(self) -> Cost:
        """What all readings have cost, the forward passes of the probe included."""
        return self._monitor.schedule.cost

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take the readings of a training that is resumed, and forget those of any other."""
        names = self._monitor.monitors
        self._monitor.load_state_dict({one: _logged(state.log_history, f"collapse/{one}/") for one in names})

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Take a reading if one is due."""
        agree = _agree if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1 else None
        if not self._monitor.due(state.global_step, agree):
            return
        readings = self._monitor.look(kwargs["model"], state.global_step)
        if self._log is not None:
            self._log(flat(readings))
        else:
            state.log_history.append({**flat(readings), "step": state.global_step})
        if self._monitor.should_stop(agree):
            control.should_training_stop = True


def _logged(history: list[dict[str, Any]], prefix: str) -> dict[str, Any]:
    readings = []
    for entry in history:
        row = {key.removeprefix(prefix): value for key, value in entry.items() if key.startswith(prefix)}
        if row:
            readings.append({"step": entry["step"], "row": row})
    return {"step": max((one["step"] for one in readings), default=-1), "readings": readings}


def _agree(decision: bool, all: bool = True) -> bool:
    votes: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(votes, decision)
    return sum(votes) == len(votes) if all else any(votes)
