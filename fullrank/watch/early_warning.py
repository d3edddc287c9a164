"""From readings to alarms: which signs a reading shows, and when they are enough.

Two kinds of sign: a number has left the course that this training was on (`course`), and the verdict of the reading.
What each is worth was measured on healthy and broken trainings of six domains (`benchmarks/watch_rule.py`,
docs/watching.md): only what never came in a healthy one fails.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Literal

from fullrank.diagnosis.judge import Verdict, judge_row
from fullrank.diagnosis.known import GRACE, RISEN, Known, since_start
from fullrank.diagnosis.profiles import Profile
from fullrank.errors import UserError
from fullrank.watch.course import FEWEST, PACE, Change, Course, Drift

Rule = Literal["not finite", "collapse", "low rank", "spread", "rank", "scale", "views"]
Severity = Literal["warn", "fail"]
_POINTS = ("complete", "scale")  # kinds of collapse that no healthy training was near
_LEVEL: dict[Severity, int] = {"warn": 1, "fail": 2}


@dataclass(frozen=True)
class Rules:
    """When signs become an alarm.

    grace: before this step a verdict is not a sign, unless the numbers have settled or fallen since the first reading,
    because an untrained network can look collapsed. confirm, window: a verdict has to be in `confirm` of the last
    `window` readings. An alarm is over, so that it can come again, when none of the last `window` shows its sign.
    Numbers that leave their course need neither: see `Course`. pace: readings closer than so many steps count for their
    share of one, everywhere, for what a training does takes steps, however often one looks.

    Attributes:
        grace: Steps, from 0.
        confirm: Readings, at least 1 and at most `window`.
        window: Readings, at least 1.
        pace: Steps, at least 1.
    """

    grace: int = GRACE
    confirm: int = 3
    window: int = 4
    pace: int = PACE

    def __post_init__(self) -> None:
        if self.grace < 0:
            raise UserError(f"The grace is {self.grace} steps: pass 0 or more.")
        if not 1 <= self.confirm <= self.window:
            raise UserError(f"An alarm cannot need {self.confirm} of {self.window} readings: pass 1 to window.")
        if self.pace < 1:
            raise UserError(f"The pace is {self.pace} steps: pass 1, by which every reading counts as one, or more.")


@dataclass(frozen=True)
class Reading:
    """One look: the step, the numbers (JSON-ready, `fullrank.watch.numbers`), and their verdict.

    Embeddings with NaN or infinity have no numbers but "n", "dims" and "not_finite", the rows that are not.

    Attributes:
        step: The step that it is of.
        row: The numbers by name.
        verdict: What a diagnosis says of them.
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
    confirmed: bool = False  # by itself, so that one reading is enough for a warning and two for a failure


@dataclass(frozen=True)
class _Watched:
    """A number whose course is watched: which ways are bad, and the changes that count, in its logarithm if `log`."""

    name: str
    title: str
    down: bool
    up: bool
    least: float  # change from which on it is a warning
    fails: float  # and a failure
    far: tuple[float, float] = (math.inf, math.inf)  # that count however slowly they came, down and up
    from_start: bool = False  # a slow fall counts from the first reading, and else from when the number has settled
    rise: float = math.inf  # growth that counts from the sixth reading on, settled or not; twice as much fails
    log: bool = True

    def on_scale(self, value: float) -> float:
        return math.log(max(value, 1e-300)) if self.log else value

    def shown(self, value: float) -> str:
        return f"{math.exp(value) if self.log else value:.3g}"


_TWICE, _TENFOLD = math.log(2), math.log(10)
_WATCHED: dict[Rule, _Watched] = {
    "spread": _Watched(
        *("relative_spread", "relative spread", True, False, math.log(1.25), math.inf, (_TWICE, math.inf)),
        from_start=True,
    ),
    "rank": _Watched("effective_rank", "effective rank", True, False, math.log(1.25), math.inf, (_TWICE, math.inf)),
    "scale": _Watched(
        *("row_norm", "norm of the rows", True, True, math.log(1.5), _TENFOLD, (_TENFOLD, 2 * _TENFOLD)),
        from_start=True,
        rise=3 * _TENFOLD,  # of what starts near 0 the first readings grow as much
    ),
    "views": _Watched("alignment", "distance of the two views", False, True, 0.3, math.inf, log=False),
}
_NARROWEST = 0.1  # width of a course
_END = {"down": "highest", "up": "lowest"}  # that a slow change is measured from
_SLOW = 3  # times the change that fails, if it came little by little: a thousandfold norm


class Watcher:
    """Rows of numbers in, readings and alarms out; what it remembers is small, whatever the length of the training."""

    def __init__(self, rules: Rules, profile: Profile) -> None:
        self._rules, self._profile = rules, profile
        self._step: int | None = None  # of the last reading
        self._recent: deque[tuple[int, dict[Rule, int]]] = deque()  # steps that each counts, level of each rule's sign
        self._raised: dict[Rule, int] = {}
        self._courses = {
            rule: Course(narrowest=_NARROWEST, least=of.least, pace=rules.pace) for rule, of in _WATCHED.items()
        }
        self._drifts = {
            rule: Drift(down=of.far[0], up=of.far[1], from_start=of.from_start, pace=rules.pace)
            for rule, of in _WATCHED.items()
        }
        self._rises = {
            rule: Drift(down=math.inf, up=of.rise, pace=rules.pace, wait=FEWEST) for rule, of in _WATCHED.items()
        }
        self._first: Mapping[str, float] = {}
        self._lowest = math.inf  # effective rank

    def read(self, step: int, row: dict[str, float]) -> tuple[Reading, list[Sign]]:
        """The reading, and the signs that become an alarm with it; one that is already raised is not said again."""
        pace = self._rules.pace
        steps = pace if self._step is None else min(step - self._step, pace)
        self._step = step
        reading = Reading(step, row, self._judged(step, row))
        signs = self._signs(reading, steps)
        self._recent.append((steps, {sign.rule: _LEVEL[sign.severity] for sign in signs}))
        while sum(one for one, _ in self._recent) - self._recent[0][0] >= self._rules.window * pace:
            self._recent.popleft()
        self._raised = {
            rule: level for rule, level in self._raised.items() if any(rule in seen for _, seen in self._recent)
        }
        new = []
        for sign in signs:
            level = self._level(sign)
            if level > self._raised.get(sign.rule, 0):
                self._raised[sign.rule] = level
                new.append(Sign(sign.rule, "fail" if level == 2 else "warn", sign.sentence))
        return reading, new

    def _level(self, sign: Sign) -> int:
        """How bad a sign is with what the readings before showed: 0 if it waits; no single reading fails."""
        pace = self._rules.pace
        if sign.confirmed:
            counted = [steps for steps, _ in takewhile(lambda one: sign.rule in one[1], reversed(self._recent))]
            return _LEVEL[sign.severity] if sum(counted[:-1]) >= pace else 1  # since its first reading
        for level in (2, 1):
            shown = sum(steps for steps, seen in self._recent if seen.get(sign.rule, 0) >= level)
            if shown >= self._rules.confirm * pace:
                return level
        return 0

    def _judged(self, step: int, row: dict[str, float]) -> Verdict:
        if "not_finite" in row:
            rows = f"{row['not_finite']:.0f} of {row['n']:.0f} rows"
            return Verdict("undetermined", None, f"Undetermined: {rows} contain NaN or infinity.")
        self._first = self._first or row
        young = None
        if step < self._rules.grace and not self._courses["rank"].settled:
            young = f"step {step}, and the numbers still move"
        rank = row["effective_rank"]
        self._lowest = min(self._lowest, rank)
        rising = f"the rank rises, {self._lowest:.1f} to {rank:.1f}" if rank > RISEN * self._lowest else None
        known = Known(young=young, rising=rising, numbers={"steps": step, **since_start(self._first, row)})
        return judge_row(row, self._profile, known=known)

    def _signs(self, reading: Reading, steps: int) -> list[Sign]:
        verdict, row = reading.verdict, reading.row
        if "not_finite" in row:
            return [Sign("not finite", "fail", verdict.sentence, confirmed=True)]
        signs = [sign for rule in _WATCHED if (sign := self._left(rule, row, steps)) is not None]
        if verdict.state == "collapsed" and verdict.kind in _POINTS:
            signs.append(Sign("collapse", "fail", verdict.sentence))
        elif verdict.state == "collapsed":
            signs.append(Sign("low rank", "warn", verdict.sentence))
        return signs

    def _left(self, rule: Rule, row: Mapping[str, float], steps: int) -> Sign | None:
        of, course = _WATCHED[rule], self._courses[rule]
        if of.name not in row:
            return None
        value = of.on_scale(row[of.name])
        settled, left = course.settled, course.step(value, steps)
        gone = self._drifts[rule].step(value, settled=settled, steps=steps)
        risen = self._rises[rule].step(value, settled=False, steps=steps)
        if left is not None and (of.down if left.way == "down" else of.up):
            said = f"from {of.shown(left.low)} to {of.shown(left.high)} in the {course.readings} readings before"
            return _sign(rule, row, left, of.fails, said)
        slow = [
            _sign(
                rule, row, change, fails, f"little by little; its {_END[change.way]}{since} was {of.shown(change.low)}"
            )
            for change, fails, since in ((gone, _SLOW * of.fails, ""), (risen, 2 * of.rise, " after the first steps"))
            if change is not None
        ]
        return max(slow, key=lambda sign: _LEVEL[sign.severity], default=None)


def _sign(rule: Rule, row: Mapping[str, float], change: Change, fails: float, said: str) -> Sign:
    of = _WATCHED[rule]
    way = "fallen" if change.way == "down" else "grown"
    sentence = f"The {of.title} has {way} to {row[of.name]:.3g}, {said}."
    return Sign(rule, "fail" if change.size >= fails else "warn", sentence, confirmed=True)
