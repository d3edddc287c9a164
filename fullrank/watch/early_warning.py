"""From readings to alarms: what is a sign of collapse, and when signs are enough for an alarm.

The verdict has its thresholds in `fullrank.diagnosis.kinds`; those of the early warnings are here. They come from the
project's survey of collapse metrics, from practice and judgment: unverified on a population of trainings.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from statistics import median
from typing import Literal

from fullrank.diagnosis import Verdict
from fullrank.diagnosis.judge import FEWEST, FEWEST_FOR_RANK
from fullrank.errors import UserError

DRAWDOWN_WARNS, DRAWDOWN_FAILS = 0.2, 0.5  # fall of a rank from its own peak
SPREAD_DROP, DROP_STEPS = 0.5, 500  # fall of the relative spread within so many steps
_RANKS = {"participation_ratio": "The participation ratio", "rankme": "RankMe"}
_LEVEL = {"warn": 1, "fail": 2}

Rule = Literal["not finite", "collapse", "drawdown", "spread drop"]
Severity = Literal["warn", "fail"]


@dataclass(frozen=True)
class Rules:
    """When signs become an alarm.

    grace: readings before this step never alarm and set no peak, because an untrained network can look collapsed.
    confirm, window: an alarm needs its sign in `confirm` of the last `window` readings, and is over, so that it can
    come again, when none of them shows it.
    """

    grace: int = 500
    confirm: int = 3
    window: int = 4

    def __post_init__(self) -> None:
        if self.grace < 0:
            raise UserError(f"The grace is {self.grace} steps: pass 0 or more.")
        if not 1 <= self.confirm <= self.window:
            raise UserError(f"An alarm cannot need {self.confirm} of {self.window} readings: pass 1 to window.")


@dataclass(frozen=True)
class Reading:
    """One look: the step, the numbers of `fullrank.metrics.summarize` (JSON-ready), and their verdict.

    Embeddings with NaN or infinity have no numbers but "n", "dims" and "not_finite", the rows that are not.
    """

    step: int
    row: dict[str, float]
    verdict: Verdict


@dataclass(frozen=True)
class Sign:
    """What one reading shows: of which rule, how bad, and the sentence that says so."""

    rule: Rule
    severity: Severity
    sentence: str


class Judge:
    """Readings in, alarms out; what it remembers is small, whatever the length of the training."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._recent: deque[dict[Rule, int]] = deque(maxlen=rules.window)  # level of each rule's sign
        self._raised: dict[Rule, int] = {}
        self._ranks: dict[tuple[float, float, str], _Rank] = {}  # n, dims, name: ranks compare at equal n only
        self._spread = _Spread()

    def alarms(self, reading: Reading) -> list[Sign]:
        """The signs that become an alarm with this reading; one that is already raised is not said again."""
        if reading.step < self._rules.grace:
            return []
        signs = self._signs(reading)
        self._recent.append({sign.rule: _LEVEL[sign.severity] for sign in signs})
        self._raised = {
            rule: level for rule, level in self._raised.items() if any(rule in seen for seen in self._recent)
        }
        new = []
        for sign in signs:
            levels = sorted((seen.get(sign.rule, 0) for seen in self._recent), reverse=True)
            confirmed = levels[self._rules.confirm - 1] if len(levels) >= self._rules.confirm else 0
            if confirmed > self._raised.get(sign.rule, 0):
                self._raised[sign.rule] = confirmed
                new.append(Sign(sign.rule, "fail" if confirmed == 2 else "warn", sign.sentence))
        return new

    def _signs(self, reading: Reading) -> list[Sign]:
        verdict, row = reading.verdict, reading.row
        if "not_finite" in row:
            return [Sign("not finite", "fail", verdict.sentence)]
        if row["n"] < FEWEST:
            return []
        falls = self._drawdown(row) if row["n"] >= FEWEST_FOR_RANK else []
        drop = self._spread.drop(reading.step, row["relative_spread"])
        if verdict.kind == "complete" and verdict.state == "collapsed":
            return [Sign("collapse", "fail", verdict.sentence)]  # ranks are those of noise now
        signs = []
        if verdict.kind == "complete" or (verdict.kind == "dimensional" and row["n"] >= FEWEST_FOR_RANK):
            signs.append(Sign("collapse", "fail" if verdict.state == "collapsed" else "warn", verdict.sentence))
        if falls:
            worst = max(falls, key=lambda fall: fall[0])
            signs.append(Sign("drawdown", "fail" if worst[0] > DRAWDOWN_FAILS else "warn", worst[1]))
        if drop:
            signs.append(Sign("spread drop", "warn", drop))
        return signs

    def _drawdown(self, row: dict[str, float]) -> list[tuple[float, str]]:
        falls = []
        for name, title in _RANKS.items():
            rank = self._ranks.setdefault((row["n"], row["dims"], name), _Rank())
            fall = rank.fall(row[name])
            if fall > DRAWDOWN_WARNS:
                share = f"{100 * (1 - row[name] / rank.peak):.0f} %"
                numbers = f"{row[name]:.1f} after {rank.peak:.1f}"
                falls.append((fall, f"{title} has fallen by {share} from its peak: {numbers}."))
        return falls


class _Rank:
    """A rank over time. Single batches are noisy, so its peak is that of the median of three readings, and a fall
    counts beyond twice the noise, which the differences of successive readings tell; a fixed probe set has little.
    """

    def __init__(self) -> None:
        self.peak = 0.0
        self._last: deque[float] = deque(maxlen=3)
        self._differences: deque[float] = deque(maxlen=30)

    def fall(self, value: float) -> float:
        if self._last:
            self._differences.append(abs(value - self._last[-1]))
        self._last.append(value)
        if len(self._last) < 3:
            return 0.0
        self.peak = max(self.peak, median(self._last))
        noise = 1.05 * median(self._differences)  # 1.4826 / sqrt(2): the standard deviation of one, if they are normal
        return 1 - (value + 2 * noise) / self.peak


class _Spread:
    """The relative spread over the last steps; a drop lasts until the spread has recovered."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, float]] = deque()
        self._before = math.inf  # spread before the drop that lasts; infinite when there is none

    def drop(self, step: int, value: float) -> str | None:
        self._recent.append((step, value))
        while step - self._recent[0][0] > DROP_STEPS:
            self._recent.popleft()
        limit = 1 - SPREAD_DROP
        if self._before == math.inf or value > limit * self._before:
            highest = max(spread for _, spread in self._recent)
            self._before = highest if highest > 0 and value <= limit * highest else math.inf
        if self._before == math.inf:
            return None
        numbers = f"{value:.2g} after {self._before:.2g}"
        return f"The relative spread has fallen by {100 * SPREAD_DROP:.0f} % or more in {DROP_STEPS} steps: {numbers}."
