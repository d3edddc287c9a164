"""Is it collapsing? Asked of the embeddings of any training loop."""

from __future__ import annotations

import operator
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from fullrank.diagnosis.judge import Verdict
from fullrank.diagnosis.profiles import find_profile
from fullrank.errors import UserError
from fullrank.watch.early_warning import Reading, Rule, Rules, Severity, Watcher
from fullrank.watch.numbers import numbers
from fullrank.watch.rows import FEWEST, Rows
from fullrank.watch.schedule import BUDGET, Cost, Schedule

Embeddings = Tensor | NDArray[Any]


class CollapseWarning(UserWarning):
    """A training shows signs of collapse."""


@dataclass(frozen=True)
class Alarm:
    """What was seen where at which step: the rule, "warn" or "fail", a sentence, and the reading with its verdict.

    Attributes:
        step: The step of the reading.
        where: The layer, or "embedding".
        rule: Which sign it is, such as "collapse" or "scale".
        severity: "warn", or "fail", which stops where stopping was asked for.
        sentence: What was seen.
        reading: The reading, with its verdict.
    """

    step: int
    where: str
    rule: Rule
    severity: Severity
    sentence: str
    reading: Reading

    @property
    def verdict(self) -> Verdict:
        """The verdict of the reading that raised the alarm."""
        return self.reading.verdict

    def __str__(self) -> str:
        return f"{self.where}, step {self.step}: {self.sentence}"


OnAlarm = Literal["warn", "stop"] | Callable[[Alarm], None]


class CollapseMonitor:
    """Call it with the embeddings of each step; at some of them it takes a reading, and says when they collapse.

    A reading is the numbers of `fullrank.watch.numbers` with the verdict of `fullrank.diagnosis.judge` on them, of 256
    to 1,024 rows: larger batches are thinned, the last of smaller ones joined, whatever their sizes, and a reading
    waits until there are enough. An alarm is of one of the rules of docs/watching.md.

    Args:
        every: Steps between readings; None spaces them so that they take at most `budget` of the wall time.
        on_alarm: "warn" gives a `CollapseWarning`; "stop" does too and, at a failure, sets `should_stop`, which the
            loop has to read; a function is called with each `Alarm`.
        rules: When a verdict becomes an alarm.
        profile: What made the embeddings, as in `fullrank.diagnose`: "generic", "contrastive", "supervised", ...
        budget: Share of the wall time that readings may take.
        where: What z is, for the sentences.

    With several processes each judges its own rows and the first one alone speaks: let what it says stop all. Blind to:
    what a verdict of these numbers is blind to, what goes wrong by less than the run's own noise, and a training that
    was broken before its first reading without reaching a threshold.

    >>> monitor = CollapseMonitor(every=1, on_alarm="stop", rules=Rules(grace=0, pace=1))
    >>> z = torch.randn(256, 16, generator=torch.Generator().manual_seed(0))
    >>> monitor(z).verdict.sentence
    'No collapse found: the spread around the mean is 100% of the norm, the effective rank 15.4 of 16.'
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore", CollapseWarning)
    ...     readings = [monitor(1 + 1e-4 * z) for _ in range(3)]
    >>> monitor.should_stop, monitor.alarms[-1].step, monitor.alarms[-1].rule
    (True, 3, 'collapse')
    """

    def __init__(
        self,
        *,
        every: int | None = None,
        on_alarm: OnAlarm = "warn",
        rules: Rules | None = None,
        profile: str = "generic",
        budget: float = BUDGET,
        where: str = "embedding",
    ) -> None:
        if not (on_alarm in ("warn", "stop") or callable(on_alarm)):
            raise UserError(f"There is no on_alarm={on_alarm!r}: pass 'warn', 'stop' or a function of the alarm.")
        self._on_alarm, self._where = on_alarm, where
        self._rules, self._profile = rules or Rules(), find_profile(profile)
        self._schedule = Schedule(every, budget)
        self.restart()

    def restart(self) -> None:
        """Forget what was seen, for another training."""
        self.readings: list[Reading] = []
        self.alarms: list[Alarm] = []
        self.should_stop = False
        self._schedule = self._schedule.anew()
        self._watcher = Watcher(self._rules, self._profile)
        self._rows = Rows()
        self._step = -1

    def __call__(
        self, z: Embeddings, step: int | None = None, *, other_view: Embeddings | None = None
    ) -> Reading | None:
        """Take in z (N, D), and take a reading if one is due and there are rows enough for it.

        The step is that of the optimizer, by default the count of calls, so pass it where gradients are accumulated:
        the rows of a step that is passed twice are joined. With the other view of the same samples (N, D), or a second
        sample of their posterior, their distance is watched too. Raises UserError if z has another shape or the step
        goes back.
        """
        step = self._at(self._step + 1 if step is None else step)
        due = self._schedule.due(step)
        self._rows.add(_views(z, other_view), due=due)
        if not due or self._rows.lacking:
            return None
        with self._schedule.reading(step):
            return self._look(self._rows.take(), step, self._rows.batches)

    def look(self, z: Embeddings, step: int, *, other_view: Embeddings | None = None) -> Reading:
        """Take a reading of the rows of z (N, D) alone, now, whatever is due; calls without a step count on from it.

        A step that goes back counts as the last one, with a warning. Raises UserError if z is not a batch of
        embeddings.
        """
        rows = Rows()
        rows.add(_views(z, other_view))
        if _whole(step) < self._step:
            warnings.warn(
                f"look at step {step} comes after step {self._step} and counts as of it: pass the step of the whole "
                "training, or call restart() for another one.",
                stacklevel=2,
            )
        return self._look(rows.take(), self._at(max(_whole(step), self._step)), batches=1)

    @property
    def cost(self) -> Cost:
        """Readings, their seconds, and their share of the wall time since the first."""
        return self._schedule.cost

    def state_dict(self) -> dict[str, Any]:
        """All readings, JSON-ready; with them a resumed training is judged as if it had not been stopped."""
        return {"step": self._step, "readings": [{"step": one.step, "row": one.row} for one in self.readings]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the readings of `state_dict`, in the place of those that the monitor has.

        What they alarmed is known, but not said again while it lasts, and does not stop a training that goes on. Its
        readings have as many rows as theirs, whatever the batches are now, since ranks compare at equal N only.
        Raises UserError for any other state.
        """
        self.restart()
        try:
            for one in state["readings"]:
                self._take(one["step"], one["row"])
            self._step = max([state["step"], *(one.step for one in self.readings)])
        except (KeyError, TypeError) as error:
            self.restart()
            raise UserError(f"A monitor cannot read this state ({error!r}): pass what state_dict() gave.") from None
        enough = (int(one.row["n"]) for one in reversed(self.readings) if "not_finite" not in one.row)
        self._rows = Rows(next((n for n in enough if n >= FEWEST), 0))
        self.should_stop = False

    def _at(self, step: int) -> int:
        """The step of a reading, which no other may come before."""
        step = _whole(step)
        if step < self._step:
            raise UserError(f"Step {step} comes after step {self._step}: pass the step of the whole training, or none.")
        self._step = step
        return step

    def _look(self, views: tuple[Tensor, ...], step: int, batches: int) -> Reading:
        reading, new = self._take(step, numbers(views) | {"batches": batches})
        if dist.is_available() and dist.is_initialized() and dist.get_rank() > 0:
            return reading
        for alarm in new:
            if callable(self._on_alarm):
                self._on_alarm(alarm)
            else:
                warnings.warn(str(alarm), CollapseWarning, stacklevel=_outside())
        return reading

    def _take(self, step: int, row: dict[str, float]) -> tuple[Reading, list[Alarm]]:
        reading, signs = self._watcher.read(step, row)
        self.readings.append(reading)
        new = [Alarm(reading.step, self._where, s.rule, s.severity, s.sentence, reading) for s in signs]
        self.alarms += new
        if self._on_alarm == "stop" and any(alarm.severity == "fail" for alarm in new):
            self.should_stop = True
        return reading, new


def _views(z: Embeddings, other_view: Embeddings | None) -> tuple[Tensor, ...]:
    return (_view(z),) if other_view is None else (_view(z), _view(other_view))


def _view(z: Embeddings) -> Tensor:
    if not isinstance(z, Tensor):
        try:
            z = torch.tensor(np.asarray(z))
        except (TypeError, ValueError):
            raise UserError(f"A {type(z).__name__} cannot be read as embeddings: pass a tensor or an array.") from None
    if z.layout != torch.strided or z.is_complex():
        raise UserError(f"The embeddings are {z.dtype} in the layout {z.layout}: pass real numbers, dense.")
    return z.detach()


def _outside() -> int:
    """The stacklevel of the line that called FullRank, as seen from the caller of this function."""
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("fullrank."):
        frame, level = frame.f_back, level + 1
    return level


def _whole(step: object) -> int:
    try:
        return operator.index(step)  # type: ignore[arg-type]
    except TypeError:
        raise UserError(f"The step is {step!r}: pass a whole number, or none.") from None
