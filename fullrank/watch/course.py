"""Has a number left the course that it was on, or gone far on it? Against the run's own noise, trend and past."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Literal

LENGTH, FEWEST = 12, 6  # readings that make the course, and from which on there is one
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


class Course:
    """The course of a number is the range of its last 12 readings; what lies beyond adds up until it is an alarm.

    Beyond the range, each reading counts in widths of it, less a quarter, and the sum never falls below zero: a CUSUM
    (Page, 1954) whose unit is the run's own noise and trend. So a large change needs one reading and a small one
    several; a number that still moves, as at the start of a training, has a wide course and waits; and one that goes
    on as it did before never alarms, however far it goes. `narrowest` is the least width that counts, and `least` the
    least change, for the numbers of a fixed probe have hardly any noise. After 12 readings beyond its course a number
    is on a new one.

    >>> course = Course(narrowest=0.1, least=0.2)
    >>> [course.step(value) for value in (5.0, 5.1, 5.0, 5.1, 5.0, 5.1, 5.0)][-1]
    >>> course.step(4.0)
    Change(way='down', size=1.0, low=5.0, high=5.1)
    """

    def __init__(self, *, narrowest: float, least: float) -> None:
        self._narrowest, self._least = narrowest, least
        self._past: deque[float] = deque(maxlen=LENGTH)
        self._beyond: list[float] = []  # readings since the sum is not zero
        self._down = self._up = 0.0

    @property
    def known(self) -> bool:
        """Whether there are readings enough."""
        return len(self._past) >= FEWEST

    @property
    def settled(self) -> bool:
        """Whether the number has stopped moving: both halves of a whole course are alike, as far as it is wide."""
        past = [*self._past]
        if len(past) < LENGTH or self._beyond:
            return False
        width = max(max(past) - min(past), self._narrowest)
        return abs(median(past[: LENGTH // 2]) - median(past[LENGTH // 2 :])) <= _STILL * width

    def step(self, value: float) -> Change | None:
        """Take the next value; a change while it lasts."""
        if not self.known:
            self._past.append(value)
            return None
        low, high, middle = min(self._past), max(self._past), median(self._past)
        width = max(high - low, self._narrowest)
        self._down = max(0.0, self._down + min((low - value) / width, _MOST) - _SLACK)
        self._up = max(0.0, self._up + min((value - high) / width, _MOST) - _SLACK)
        self._beyond.append(value)
        if self._down == self._up == 0.0 or len(self._beyond) == LENGTH:
            self._past.extend(self._beyond)
            self._beyond, self._down, self._up = [], 0.0, 0.0
            return None
        size = abs(value - middle)
        if size < self._least or max(self._down, self._up) < ALARM:
            return None
        return Change("down" if value < middle else "up", size, low, high)


class Drift:
    """How far a number has gone, however slowly, from where it has been: the median of three readings from the ends.

    `down` and `up` are the distances that are far. The ends are those since the number first settled; with
    `from_start` its highest is that of all readings, for a number that only falls when a training is broken.

    >>> drift = Drift(down=2.0, up=9.0, from_start=True)
    >>> [drift.step(value, settled=False) for value in (5.0, 5.0, 4.0, 3.0, 2.9, 2.8)][-1]
    Change(way='down', size=2.1, low=5.0, high=5.0)
    """

    def __init__(self, *, down: float, up: float, from_start: bool = False) -> None:
        self._down, self._up, self._from_start = down, up, from_start
        self._last: deque[float] = deque(maxlen=3)
        self._readings, self._settled = 0, False
        self._low, self._high = math.inf, -math.inf

    def step(self, value: float, *, settled: bool) -> Change | None:
        """Take the next value; a change while it lasts."""
        self._readings += 1
        if not self._settled and (settled or self._readings >= _WAIT):
            self._settled = True
            if not self._from_start:
                self._last.clear()
        self._last.append(value)
        now = median(self._last) if len(self._last) == 3 else value
        if self._settled or self._from_start:
            self._high = max(self._high, now)
        if self._settled:
            self._low = min(self._low, now)
        if len(self._last) < 3:
            return None
        if self._high - now > self._down:
            return Change("down", self._high - now, self._high, self._high)
        if now - self._low > self._up:
            return Change("up", now - self._low, self._low, self._low)
        return None
