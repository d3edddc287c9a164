"""When to look at a training, and what looking has cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fullrank.errors import UserError

BUDGET = 0.01  # share of the wall time that readings may take
_APART = 1 / 2000  # ours: of the time so far, which makes 11,000 readings of a day and not 200,000 of a small network


@dataclass(frozen=True)
class Cost:
    """What the readings have cost: how many, their seconds, and their share of the time since the first.

    Attributes:
        readings: How many there were.
        seconds: What they took, in seconds.
        share: The same as a share of the time since the first, in [0, 1].
    """

    readings: int
    seconds: float
    share: float


class Schedule:
    """Every so many steps, or, with every=None, as often as a budget of the wall time allows.

    The first step is always due: what a reading costs is not known before. From the second reading on, their share
    of the time since the first is within the budget as far as each costs no more than the one before it, and they are
    1/2000 of that time apart, since each is kept. What was not used is not made up for in a burst. On a GPU a reading
    waits for the steps that are still queued, and that waiting counts as its cost.

    >>> schedule = Schedule(every=10)
    >>> due = []
    >>> for step in range(25):
    ...     if schedule.due(step):
    ...         with schedule.reading(step):
    ...             due.append(step)
    >>> due, schedule.cost.readings
    ([0, 10, 20], 3)
    """

    def __init__(
        self, every: int | None = None, budget: float = BUDGET, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if every is not None and every < 1:
            raise UserError(f"A reading every {every} steps is impossible: pass 1 or more, or None for the budget.")
        if not 0 < budget <= 1:
            raise UserError(f"The budget of readings is {budget}: pass a share of the time above 0, such as 0.01.")
        self.every, self._budget, self._clock = every, budget, clock
        self._began: float | None = None
        self._readings, self._seconds, self._took = 0, 0.0, 0.0  # in all, and the last one
        self._last, self._started = -1, 0.0

    def anew(self) -> Schedule:
        """The same schedule, before its first reading."""
        return Schedule(self.every, self._budget, self._clock)

    def due(self, step: int) -> bool:
        """Whether a reading should be taken at this step."""
        if self._began is None:
            self._began = self._clock()
        if self._readings == 0:  # also when the first one had to wait
            return True
        if step <= self._last:
            return False
        if self.every is not None:
            return step - self._last >= self.every
        now = self._clock()
        passed, since = now - self._began, now - self._started
        overall = self._seconds + self._took <= self._budget * passed
        return overall and self._took <= self._budget * since and since >= _APART * passed

    @contextmanager
    def reading(self, step: int) -> Iterator[None]:
        """Measures the body as the reading of this step."""
        start = self._clock()
        self._began = start if self._began is None else self._began
        self._last, self._started = step, start
        try:
            yield
        finally:
            self._took = self._clock() - start
            self._readings, self._seconds = self._readings + 1, self._seconds + self._took

    @property
    def cost(self) -> Cost:
        """What all readings have cost until now."""
        elapsed = 0.0 if self._began is None else self._clock() - self._began
        return Cost(self._readings, self._seconds, self._seconds / elapsed if elapsed > 0 else 0.0)
