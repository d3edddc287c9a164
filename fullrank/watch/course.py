"""Has a number left the course that it was on, or gone far on it? Against the run's own noise, trend and past."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Literal

LENGTH, FEWEST = 12, 6  # readings that make the course, and from which on there is one
PACE = 20  # steps: of closer readings, so many steps count as one reading
_SLACK = 0.25  # of the course's width: what a reading may lie beyond it without a trace
_MOST = 4.0  # widths that one reading counts at most: a single outlier is forgotten after 16 readings
_WAIT = 2 * LENGTH  # readings after which a number that never settles is held to what it was, too
_STILL = 0.35  # widths between the medians of both halves of a course that goes nowhere; of a straight line 0.55
ALARM = 1.0  # widths that have added up


@dataclass(frozen=True)
class Change:
    """A value that has left its course: which way, how far from the middle of it, and the course itself."""

    way: Literal["down", "up"]
    size: float
    low: float
    high: float


class Recent:
    """The last values of so many steps; one counts the steps since the value before it, at most those of the pace.

    >>> recent = Recent(40)
    >>> for value, steps in ((1.0, 20), (2.0, 10), (3.0, 10), (4.0, 10)):
    ...     recent.add(value, steps)
    >>> recent.values, recent.full
    ([1.0, 2.0, 3.0, 4.0], True)
    >>> recent.add(5.0, 10)
    >>> recent.values
    [2.0, 3.0, 4.0, 5.0]
    """

    def __init__(self, steps: int) -> None:
        self._length = steps
        self._kept: deque[tuple[float, int]] = deque()
        self.steps = 0

    def add(self, value: float, steps: int) -> None:
        """Take in a value, and forget those that are not needed to reach the length."""
        self._kept.append((value, steps))
        self.steps += steps
        while self.steps - self._kept[0][1] >= self._length:
            self.steps -= self._kept.popleft()[1]

    def clear(self) -> None:
        """Forget all values."""
        self._kept.clear()
        self.steps = 0

    @property
    def values(self) -> list[float]:
        """The values, the oldest first."""
        return [value for value, _ in self._kept]

    @property
    def full(self) -> bool:
        """Whether there are values of all the steps."""
        return self.steps >= self._length


class Course:
    """The course of a number is the range of its last 12 readings; what lies beyond adds up until it is an alarm.

    Beyond the range, each reading counts in widths of it, less a quarter, and the sum never falls below zero: a CUSUM
    (Page, 1954) whose unit is the run's own noise and trend. So a large change needs one reading and a small one
    several; a number that still moves, as at the start of a training, has a wide course and waits; and one that goes
    on as it did before never alarms, however far it goes. `narrowest` is the least width that counts, and `least` the
    least change, for the numbers of a fixed probe have hardly any noise. After 12 readings beyond its course a number
    is on a new one.

    Noise and trend are those of steps, however often they are read: readings closer than `pace` steps count for their
    share of one, so that the course is never of fewer steps than 12 times the pace.

    >>> course = Course(narrowest=0.1, least=0.2)
    >>> [course.step(value) for value in (5.0, 5.1, 5.0, 5.1, 5.0, 5.1, 5.0)][-1]
    >>> course.step(4.0)
    Change(way='down', size=1.0, low=5.0, high=5.1)
    """

    def __init__(self, *, narrowest: float, least: float, pace: int = PACE) -> None:
        self._narrowest, self._least, self._pace = narrowest, least, pace
        self._past = Recent(LENGTH * pace)
        self._beyond: list[tuple[float, int]] = []  # readings since the sum is not zero
        self._down = self._up = 0.0

    @property
    def known(self) -> bool:
        """Whether there are readings enough."""
        return self._past.steps >= FEWEST * self._pace

    @property
    def readings(self) -> int:
        """How many readings make the course."""
        return len(self._past.values)

    @property
    def settled(self) -> bool:
        """Whether the number has stopped moving: both halves of a whole course are alike, as far as it is wide."""
        past = self._past.values
        if not self._past.full or self._beyond:
            return False
        width = max(max(past) - min(past), self._narrowest)
        half = len(past) // 2
        return abs(median(past[:half]) - median(past[half:])) <= _STILL * width

    def step(self, value: float, steps: int | None = None) -> Change | None:
        """Take the next value, so many steps after the one before (None: many); a change while it lasts."""
        steps = self._pace if steps is None else min(steps, self._pace)
        if not self.known:
            self._past.add(value, steps)
            return None
        past, share = self._past.values, steps / self._pace
        low, high, middle = min(past), max(past), median(past)
        width = max(high - low, self._narrowest)
        self._down = max(0.0, self._down + share * (min((low - value) / width, _MOST) - _SLACK))
        self._up = max(0.0, self._up + share * (min((value - high) / width, _MOST) - _SLACK))
        self._beyond.append((value, steps))
        if self._down == self._up == 0.0 or sum(one for _, one in self._beyond) >= LENGTH * self._pace:
            for one in self._beyond:
                self._past.add(*one)
            self._beyond, self._down, self._up = [], 0.0, 0.0
            return None
        size = abs(value - middle)
        if size < self._least or max(self._down, self._up) < ALARM:
            return None
        return Change("down" if value < middle else "up", size, low, high)


class Drift:
    """How far a number has gone, however slowly, from where it has been: the median of three readings from the ends.

    `down` and `up` are the distances that are far. The ends are those since the number first settled, at the latest
    since `wait` readings; with `from_start` its highest is that of all readings, for a number that only falls when a
    training is broken. Readings closer than `pace` steps count for their share of one.

    >>> drift = Drift(down=2.0, up=9.0, from_start=True)
    >>> [drift.step(value, settled=False) for value in (5.0, 5.0, 4.0, 3.0, 2.9, 2.8)][-1]
    Change(way='down', size=2.1, low=5.0, high=5.0)
    """

    def __init__(
        self, *, down: float, up: float, from_start: bool = False, pace: int = PACE, wait: int = _WAIT
    ) -> None:
        self._down, self._up, self._from_start, self._pace, self._wait = down, up, from_start, pace, wait
        self._last = Recent(3 * pace)
        self._steps, self._settled = 0, False
        self._low, self._high = math.inf, -math.inf

    def step(self, value: float, *, settled: bool, steps: int | None = None) -> Change | None:
        """Take the next value, so many steps after the one before (None: many); a change while it lasts."""
        steps = self._pace if steps is None else min(steps, self._pace)
        self._steps += steps
        if not self._settled and (settled or self._steps >= self._wait * self._pace):
            self._settled = True
            if not self._from_start:
                self._last.clear()
        self._last.add(value, steps)
        now = median(self._last.values)
        if self._settled or self._from_start:
            self._high = max(self._high, now)
        if self._settled:
            self._low = min(self._low, now)
        if not self._last.full:
            return None
        if self._high - now > self._down:
            return Change("down", self._high - now, self._high, self._high)
        if now - self._low > self._up:
            return Change("up", now - self._low, self._low, self._low)
        return None
