"""How bad one measurement is: which threshold it is certainly beyond, and how many rows would make it certain."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from typing import Literal

from fullrank.diagnosis.known import Known
from fullrank.diagnosis.profiles import Thresholds
from fullrank.diagnosis.rule import SUBJECT, Evidence, Gate, Graded, Rule
from fullrank.metrics.measure import PAIRS, RECORDS, Measured

Level = Literal["unsure", "note", "warn", "fail"]
_NOTHING = 1e-6  # of the interval: a number that is nothing beside it is 0
_TOO_MANY = 10  # times as many rows as there are: the distance from the threshold, of which this follows, is chance
_SURELY = 1.5  # times as many rows as there are, at least, so that chance does not ask for more again


def grade(measured: Measured, graded: Graded, thresholds: Thresholds | None = None) -> Level | None:
    """The threshold that a measurement is certainly beyond; "unsure" if its interval spans that of the warning.

    An interval counts together with the value itself: one that leaves it out on the harmless side proves nothing.

    >>> rank = Measured("rank_share", 0.2, low=0.15, high=0.3)
    >>> grade(rank, Graded("rank_share", "below", 0.25, 0.1)), grade(rank, Graded("rank_share", "below", 0.5, 0.4))
    ('unsure', 'fail')
    """
    warn, fail = thresholds or (graded.warn, graded.fail)
    value, band = measured.value, 0.0 if measured.low is not None else graded.band
    low = value if measured.low is None else min(measured.low, value)
    high = value if measured.high is None else max(measured.high, value)
    sure, possible = (low, high) if graded.way == "above" else (high, low)
    outwards = 1 + band if graded.way == "above" else 1 - band
    if fail is not None and beyond(sure, fail * outwards, graded.way):
        return "fail"
    if beyond(sure, warn * outwards, graded.way):
        return "warn"
    return "unsure" if beyond(possible, warn * (2 - outwards), graded.way) else None


def beyond(value: float, threshold: float, way: Literal["above", "below"]) -> bool:
    """Whether a value lies on the bad side of a threshold."""
    return value > threshold if way == "above" else value < threshold


def is_open(gate: Gate, found: Mapping[str, Measured], known: Known) -> bool:
    """Whether a gate's measurement, or what is known of the training, lies on its side of the threshold.

    A number at the threshold lies on the harmless side, where no rule that is graded by the threshold speaks. So each
    threshold that rules share belongs to exactly one of them.

    >>> found = {"zero_rows": Measured("zero_rows", 0.25)}
    >>> [is_open(Gate("zero_rows", way, 0.25), found, Known()) for way in ("above", "below")]
    [False, True]
    """
    value = found[gate.name].value if gate.name in found else known.numbers.get(gate.name)
    if value is None:
        return gate.or_missing
    edge = gate.threshold * (1 - gate.band if gate.way == "above" else 1 + gate.band)
    return beyond(value, edge, gate.way) or (value == edge and gate.way == _harmless(gate.name))


def _harmless(name: str) -> Literal["above", "below"]:
    """The harmless side of a number; what is known of a training is a share of what was, or a part of it."""
    return "above" if name not in RECORDS or RECORDS[name].direction == "high" else "below"


def is_ajar(gate: Gate, found: Mapping[str, Measured]) -> bool:
    """Whether an open gate's measurement is at the threshold, within its band."""
    if gate.band == 0 or gate.name not in found:
        return False
    outwards = 1 + gate.band if gate.way == "above" else 1 - gate.band
    return not beyond(found[gate.name].value, outwards * gate.threshold, gate.way)


def excludes(gate: Gate) -> bool:
    """Whether an open gate only says that it is nothing else: what it looks at need not be there, and is low."""
    return gate.or_missing and gate.way == "below"


def askable(evidence: Evidence, found: Mapping[str, Measured]) -> bool:
    """Whether everything is there that a piece of evidence looks at and mentions."""
    return not _missing(evidence, found)


def say(evidence: Evidence, found: Mapping[str, Measured]) -> str:
    """The sentence of a piece of evidence with its values, and the numbers of what it is about."""
    about = found[evidence.graded.name]
    values: dict[str, object] = {name: one.value for name, one in found.items()}
    return evidence.sentence.format(**values, **{SUBJECT: _subject(RECORDS[about.name].which_are, about.which)})


def say_unsure(evidence: Evidence, found: Mapping[str, Measured], warn: float) -> str:
    """The sentence of evidence whose interval spans the threshold: what it warns of is a fact only beyond that.

    >>> rank = Graded("effective_rank", "below", 3.0, 2.0)
    >>> found = {"effective_rank": Measured("effective_rank", 4.0)}
    >>> few = Evidence(rank, "few dimensions vary")
    >>> say_unsure(few, found, 3.0), say_unsure(few, found, 5.0)
    ('effective rank D1 is 4', 'few dimensions vary')
    """
    graded, value = evidence.graded, found[evidence.graded.name].value
    if beyond(value, warn, graded.way):
        return say(evidence, found)
    ends = found[graded.name].low, found[graded.name].high
    width = 0.0 if None in ends else float(ends[1]) - float(ends[0])  # type: ignore[arg-type]
    return f"{RECORDS[graded.name].title} is {0.0 if abs(value) < _NOTHING * width else value:.3g}"


def _subject(which_are: str | None, which: tuple[int, ...]) -> str:
    """The rows, dimensions or classes as the subject of a sentence, at most three; a monitor row does not say which.

    >>> _subject("dimensions", (7,)), _subject("dimensions", (7, 2)), _subject("rows", (7, 2, 9, 4))
    ('dimension 7 has', 'dimensions 7 and 2 have', 'rows 7, 2, 9 and 1 more have')
    """
    if not which:
        return f"a few {which_are} have"
    words = [str(number) for number in which[:3]] + ([f"{len(which) - 3} more"] if len(which) > 3 else [])
    if len(words) == 1:
        return f"{str(which_are).removesuffix('s')} {words[0]} has"
    return f"{which_are} {', '.join(words[:-1])} and {words[-1]} have"


def needs(rule: Rule, found: Mapping[str, Measured]) -> tuple[str, ...]:
    """The measurements that a rule lacks, by its first evidence."""
    return _missing(rule.evidence[0], found)


def _missing(evidence: Evidence, found: Mapping[str, Measured]) -> tuple[str, ...]:
    said = [name for _, name, _, _ in string.Formatter().parse(evidence.sentence)]
    gates = [gate.name for gate in evidence.gates if gate.name in RECORDS and not gate.or_missing]
    named = dict.fromkeys([evidence.graded.name, *said, *gates])
    return tuple(name for name in named if name and name != SUBJECT and name not in found)


def more_rows(measured: Measured, threshold: float, n: int) -> str:
    """How many rows would shrink the interval to the distance from the threshold, where any number would.

    A number of pairs is that of at most 2,048 rows, however many there are.
    """
    if measured.low is None or measured.high is None:
        return f"undetermined, {measured.value:.3g} lies at the threshold {threshold:g}"
    half = (measured.high - measured.low) / 2
    distance = abs(measured.value - threshold)
    interval = f"the interval {measured.low:.3g} to {measured.high:.3g} spans the threshold {threshold:g}"
    least, most = RECORDS[measured.name].range
    cut = measured.low <= least if threshold < measured.value else measured.high >= most
    if half <= distance or cut:  # wider than can be shown, as of rows of very different lengths
        return f"{interval}: undetermined, a few rows decide it"
    rows = n if measured.sampled is None else measured.sampled
    needed = rows * max((half / distance) ** 2, _SURELY) if distance > 0 else math.inf
    if needed > _TOO_MANY * rows or (measured.sampled is not None and needed > PAIRS):
        return f"{interval}: undetermined, it lies at the threshold"
    return f"{interval}: undetermined, pass at least {_rounded(needed)} rows"


def _rounded(n: float) -> int:
    """A number of rows, with two digits."""
    unit = int(10 ** max(math.floor(math.log10(max(n, 1))) - 1, 0))
    return math.ceil(n / unit - 1e-9) * unit
