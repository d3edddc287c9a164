"""Is it collapsing? Asked of the embeddings of any training loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fullrank.diagnosis import Verdict, judge
from fullrank.diagnosis.profiles import find_profile
from fullrank.errors import UserError
from fullrank.metrics import summarize
from fullrank.metrics.measure import measured_row
from fullrank.watch.early_warning import Judge, Reading, Rule, Rules, Severity
from fullrank.watch.schedule import BUDGET, Cost, Schedule

ROWS = 1024  # rows of one reading; of more, evenly spaced ones are taken


class CollapseWarning(UserWarning):
    """A training shows signs of collapse."""


@dataclass(frozen=True)
class Alarm:
    """What was seen where at which step: the rule, "warn" or "fail", a sentence, and the reading with its verdict."""

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
    """Watches embeddings while they are trained: call it with a batch z (N, D) in any loop.

    Every reading is a row of `fullrank.metrics.summarize`, judged by `fullrank.diagnosis.judge`. Alarms are raised
    for a collapse (or a warning of one), for NaN and infinity, and early: when the unbiased participation ratio or
    RankMe has fallen from its own peak, beyond the noise of the readings (by 20 % a warning, by 50 % a failure), or
    the relative spread by half within 500 steps (a warning). `rules` says after how many steps and readings.

    - every: steps between readings; None spaces them so that they take at most `budget` of the wall time.
    - on_alarm: "warn" gives a `CollapseWarning`; "stop" does too and, at a failure, sets `should_stop`, which the loop
      has to read; a function is called with each `Alarm`.
    - where: what z is, for the sentences.

    Give a batch of one size: ranks are compared at equal N only. Rows above 1,024 are thinned. With several processes
    each judges its own batch: stop by what one of them says, or the others wait for it. Blind to: what `judge` is
    blind to, and a collapse that was there before the grace was over without reaching the verdict's thresholds.

    >>> monitor = CollapseMonitor(every=1, on_alarm="stop", rules=Rules(grace=0))
    >>> z = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    >>> monitor(z).verdict.sentence
    'No collapse: the spread around the mean is 99 % of the norm, the effective rank 13.7 of 16.'
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
        budget: float = BUDGET,
        where: str = "embedding",
    ) -> None:
        if not (on_alarm in ("warn", "stop") or callable(on_alarm)):
            raise UserError(f"There is no on_alarm={on_alarm!r}: pass 'warn', 'stop' or a function of the alarm.")
        self.readings: list[Reading] = []
        self.alarms: list[Alarm] = []
        self.should_stop = False
        self._schedule = Schedule(every, budget)
        self._judge = Judge(rules or Rules())
        self._on_alarm, self._where = on_alarm, where
        self._step = -1

    def __call__(self, z: Tensor | NDArray[Any], step: int | None = None) -> Reading | None:
        """Take a reading of z (N, D) if one is due; the step is that of the training, by default the count of calls.

        Raises UserError if z has another shape or the step goes back.
        """
        step = self._step + 1 if step is None else step
        if step < self._step:
            raise UserError(f"Step {step} comes after step {self._step}: pass the step of the whole training, or none.")
        self._step = step
        if not self._schedule.due(step):
            return None
        with self._schedule.reading(step):
            return self.look(z, step)

    def look(self, z: Tensor | NDArray[Any], step: int) -> Reading:
        """Take a reading of z (N, D) now, whatever is due."""
        reading = read(z, step)
        for alarm in self._take(reading):
            if callable(self._on_alarm):
                self._on_alarm(alarm)
            else:
                warnings.warn(str(alarm), CollapseWarning, stacklevel=3)
        return reading

    @property
    def cost(self) -> Cost:
        """Readings, their seconds, and their share of the wall time since the first."""
        return self._schedule.cost

    def state_dict(self) -> dict[str, Any]:
        """All readings, JSON-ready; with them a resumed training is judged as if it had not been stopped."""
        return {"step": self._step, "readings": [{"step": one.step, "row": one.row} for one in self.readings]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the readings of `state_dict` into a new monitor; what they alarmed is known, but not said again."""
        for one in state["readings"]:
            self._take(Reading(one["step"], one["row"], _judged(one["row"])))
        self._step = state["step"]

    def _take(self, reading: Reading) -> list[Alarm]:
        self.readings.append(reading)
        signs = self._judge.alarms(reading)
        new = [Alarm(reading.step, self._where, s.rule, s.severity, s.sentence, reading) for s in signs]
        self.alarms += new
        if self._on_alarm == "stop" and any(alarm.severity == "fail" for alarm in new):
            self.should_stop = True
        return new


def read(z: Tensor | NDArray[Any], step: int) -> Reading:
    """A reading of z (N, D), of at most 1,024 evenly spaced rows.

    >>> read(np.array([[1.0, 2.0], [float("nan"), 0.0]]), step=7).verdict.sentence
    'Undetermined: 1 of 2 rows contain NaN or infinity.'
    """
    z = z.detach() if isinstance(z, Tensor) else torch.tensor(np.asarray(z))
    if z.ndim == 2 and len(z) > ROWS:
        z = z[torch.linspace(0, len(z) - 1, ROWS, device=z.device).long()]
    broken = int((~torch.isfinite(z)).any(-1).sum()) if z.ndim == 2 else 0
    row: dict[str, float] = {"n": len(z), "dims": z.shape[1], "not_finite": broken} if broken else summarize(z)
    return Reading(step, row, _judged(row))


def _judged(row: dict[str, float]) -> Verdict:
    if "not_finite" not in row:
        profile = find_profile("non-contrastive")
        return judge(measured_row(row), profile, n=int(row["n"]), dims=int(row["dims"]))
    rows = f"{row['not_finite']:.0f} of {row['n']:.0f} rows"
    return Verdict("undetermined", None, f"Undetermined: {rows} contain NaN or infinity.")
