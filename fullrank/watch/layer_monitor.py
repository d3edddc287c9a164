"""A monitor for each of several layers, on one fixed probe set: what the callbacks share."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import IterableDataset

from fullrank.errors import UserError
from fullrank.watch.early_warning import Reading, Rules
from fullrank.watch.layers import Forward, embed, probe_batches
from fullrank.watch.monitor import Alarm, CollapseMonitor, OnAlarm
from fullrank.watch.rows import MOST
from fullrank.watch.schedule import BUDGET, Schedule

Probe = Tensor | Mapping[str, Tensor] | Iterable[Any]
_AGREE_EVERY = 50  # steps after which several processes ask each other whether a reading is due: their clocks differ


class Agree(Protocol):
    """Asks all processes: whether all of them decide so, or one of them does."""

    def __call__(self, decision: bool, all: bool = True) -> bool: ...


class ProbeMonitor:
    """Watches layers of a model by what they make of a fixed probe set; `CollapseMonitor` explains the options.

    The probe is read once, at most 1,024 samples and a batch of it, and kept: every reading sees the same samples.
    What the probe and the forward pass draw from the global generators of PyTorch, NumPy and Python starts at the same
    seed in every reading, and the generators are then as they were, as is the `generator` of a DataLoader. A generator
    that a Dataset holds goes on.

    Args:
        layers: Names of modules, as `named_modules` has them.
        probe: The samples, as a batch or a loader of batches, of which at most 1,024 are kept.
        every, on_alarm, rules, profile, budget: As in `CollapseMonitor`.
        forward: What is called instead of the model with a batch, as `forward(module, batch)`; a layer may then have
            any number of rows.

    Raises:
        UserError: A layer is unknown, an option cannot work, or the probe yields single samples.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(8, 6), nn.Linear(6, 4))
    >>> monitor = ProbeMonitor(["0", "1"], torch.randn(50, 8), every=10)
    >>> {name: reading.row["dims"] for name, reading in monitor.look(model, step=0).items()}
    {'0': 6, '1': 4}
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
        if isinstance(layers, str) or len(set(layers)) < max(len(layers), 1):
            raise UserError(f"The layers are {layers!r}: pass a list of different names, such as ['projector'].")
        # A list has items too, but they may be batches.
        if not isinstance(probe, Tensor | Mapping | Sequence | IterableDataset) and hasattr(type(probe), "__getitem__"):
            remedy = "pass DataLoader(probe, batch_size=256), or with batch_size=None if each item is a batch"
            raise UserError(f"The probe is a {type(probe).__name__}, whose items are single samples: {remedy}.")
        self.schedule = Schedule(every, budget)
        self.monitors = {
            name: CollapseMonitor(on_alarm=on_alarm, rules=rules, profile=profile, where=name) for name in layers
        }
        self._probe, self._forward = probe, forward
        self._batches: list[Any] = []

    def look(self, model: nn.Module, step: int) -> dict[str, Reading]:
        """A reading of every layer, now."""
        with self.schedule.reading(step):
            with _draws_undone(model, self._probe):
                self._batches = self._batches or probe_batches(self._probe, MOST)
                outputs = embed(model, list(self.monitors), self._batches, self._forward)
            return {name: monitor.look(outputs[name], step) for name, monitor in self.monitors.items()}

    def due(self, step: int, agree: Agree | None) -> bool:
        """Whether a reading should be taken at this step; agree is None for a single process."""
        if agree is None or self.schedule.every is not None:
            return self.schedule.due(step)
        return step % _AGREE_EVERY == 0 and agree(self.schedule.due(step), all=True)

    def should_stop(self, agree: Agree | None) -> bool:
        """Whether a layer, of any process, has raised an alarm that stops the training."""
        stop = any(monitor.should_stop for monitor in self.monitors.values())
        return stop if agree is None else agree(stop, all=False)

    @property
    def alarms(self) -> list[Alarm]:
        """The alarms of all layers, by step."""
        return sorted((alarm for one in self.monitors.values() for alarm in one.alarms), key=lambda alarm: alarm.step)

    def begin(self, step: int) -> None:
        """Forget what was seen if it is of another training, which starts at this step."""
        if step == 0 or any(one.readings and one.readings[-1].step > step for one in self.monitors.values()):
            self.restart()

    def restart(self) -> None:
        """Forget what was seen, for another training; the samples of the probe stay."""
        self.schedule = self.schedule.anew()
        for monitor in self.monitors.values():
            monitor.restart()

    def state_dict(self) -> dict[str, Any]:
        """The readings of all layers, JSON-ready."""
        return {name: monitor.state_dict() for name, monitor in self.monitors.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the readings of `state_dict`, of the layers that are watched, in the place of those that are there."""
        self.restart()
        for name in self.monitors.keys() & state.keys():
            self.monitors[name].load_state_dict(state[name])


@contextmanager
def _draws_undone(model: nn.Module, probe: Probe) -> Iterator[None]:
    """The global generators start at seed 0, those of the model's kind of device too; all are then as they were."""
    accelerator = torch.accelerator.current_accelerator()
    kinds = {part.device.type for part in chain(model.parameters(), model.buffers())}
    kind = accelerator.type if accelerator is not None and accelerator.type in kinds else "cpu"
    devices = [] if kind == "cpu" else range(torch.get_device_module(kind).device_count())
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (a Dataset may draw from it)
    shared = getattr(probe, "generator", None)  # of a loader, as that of the training may have it
    state = shared.get_state() if isinstance(shared, torch.Generator) else None
    try:
        with torch.random.fork_rng(devices, device_type=kind):
            # torch.manual_seed would seed a GPU that is not forked.
            (torch.manual_seed if devices else torch.default_generator.manual_seed)(0)
            random.seed(0)
            np.random.seed(0)  # noqa: NPY002
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        if isinstance(shared, torch.Generator) and state is not None:
            shared.set_state(state)


def flat(readings: Mapping[str, Reading]) -> dict[str, float]:
    """Readings as one row for a logger: "collapse/LAYER/NUMBER" -> value."""
    return {f"collapse/{name}/{key}": value for name, one in readings.items() for key, value in one.row.items()}
