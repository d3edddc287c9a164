"""Parts of a claim: what each says, the margin that matters, and what its effects over seeds allow to say of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any, Literal

from fullrank.errors import UserError

Source = Literal["abstract", "paper", "code", "ours"]
Label = Literal["held", "reversed", "undecided", "failed"]
Kind = Literal["more", "above", "not behind", "level", "exact"]
Case = str | float | tuple[str | float, ...]
Row = Mapping[str, str | float | None]

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Margin:
    """The least effect that matters, in a unit, and in one line why; to be chosen before the experiment is run."""

    least: float
    unit: str
    why: str


POINTS = Margin(0.5, "points", "half a point is the least gain that the papers' tables argue with")
LEVEL_POINTS = Margin(2.0, "points", "5,000 test images tell 80 % to 0.6 points; within 2 two runs count as level")
DIMENSION = Margin(1.0, "dimensions", "less than one dimension cannot be used")
KEPT = Margin(0.1, "share", "an embedding that keeps less than a tenth of its dimensions, times its spread, collapsed")
NATS = Margin(0.02, "nats", "half a percent of the range of Wang and Isola's loss, which is 4")
DISTANCE = Margin(0.01, "W2", "not a hundredth of the range of W2, which is 1.41")
BOUND = Margin(0.0, "", "the threshold that it is held to is the margin")
EXACT = Margin(0.0, "", "a closed form holds to rounding or does not")


class Table:
    """The rows of a result: the columns before `seed` name a case, those after it hold its numbers.

    >>> table = Table([{"net": "a", "seed": 0, "rank": 2.0}, {"net": "b", "seed": 0, "rank": 5.0}])
    >>> table.of("rank", "b"), table.gain("rank", "b", over="a")
    ([5.0], [3.0])
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        names = list(rows[0]) if rows else []
        self._cases = names[: names.index("seed")] if "seed" in names else names[:1]

    def of(self, column: str, *case: str | float) -> list[float]:
        """The numbers of a case in the order of the seeds; raises UserError where the table has none."""
        found = [row for row in self.rows if tuple(row[name] for name in self._cases) == case]
        values = [row.get(column) for row in sorted(found, key=lambda row: float(row.get("seed") or 0))]
        numbers = [float(value) for value in values if isinstance(value, int | float)]
        if not numbers or len(numbers) < len(values):
            raise UserError(f"The rows have no {column} of {', '.join(map(str, case))}: run the experiment again.")
        return numbers

    def gain(self, column: str, case: Case, *, over: Case) -> list[float]:
        """How much more a case has than another, seed by seed."""
        more, less = (self.of(column, *_tuple(one)) for one in (case, over))
        return [a - b for a, b in zip(more, less, strict=True)]

    def drop(self, column: str, case: Case, *, below: Case) -> list[float]:
        """How much less a case has than another, seed by seed."""
        return self.gain(column, below, over=case)


def _tuple(case: Case) -> tuple[str | float, ...]:
    return case if isinstance(case, tuple) else (case,)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that a claim says, and how the rows of a result show it.

    kind: "more" is an effect that is above 0 where it is as claimed; "above" one that is above a threshold, from which
    it is counted; "not behind" a difference that is less than the margin below 0; "level" one that is within the margin
    either way; "exact" has no chance in it, and every value is at least 0 where it is as claimed.
    """

    says: str
    effect: Callable[[Table], Sequence[float]]
    margin: Margin
    source: Source
    kind: Kind = "more"


@dataclass(frozen=True, kw_only=True)
class Weighed:
    """What the seeds say of a part: the mean effect, its interval where there are two seeds or more, and a word."""

    effect: float
    low: float | None
    high: float | None
    seeds: int
    label: Label


def interval(effects: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of Student's t for the mean of paired differences; None of fewer than two.

    >>> [round(end, 2) for end in interval([1.0, 2.0, 3.0])]
    [-0.48, 4.48]
    """
    from scipy.special import stdtrit  # here, for what lists experiments does not load numpy

    if len(effects) < 2:
        return None
    reach = float(stdtrit(len(effects) - 1, (1 + CONFIDENCE) / 2)) * stdev(effects) / math.sqrt(len(effects))
    return mean(effects) - reach, mean(effects) + reach


def weigh(effects: Sequence[float], kind: Kind, margin: float) -> Weighed:
    """The word for the effects of a part, one for each seed.

    Held: the interval is above 0 and its middle at least the margin, to rounding; reversed: the other way round. Level
    parts hold
    where the interval is within the margin, and are reversed where all of it is outside; those that say "not behind"
    hold where it is above minus the margin, and are reversed where it is below. Everything else is undecided,
    which is also said of one seed. An exact part holds in every value, or has failed.

    >>> weigh([1.0, 1.2, 1.1], "more", 0.5).label, weigh([0.1, 0.12, 0.11], "more", 0.5).label
    ('held', 'undecided')
    >>> weigh([-1.0, -1.2, -1.1], "more", 0.5).label, weigh([3.0, -1.0, 2.0], "more", 0.5).label
    ('reversed', 'undecided')
    >>> weigh([-0.9, -1.1, -1.0], "not behind", 2.0).label, weigh([-2.9, -3.1, -3.0], "not behind", 2.0).label
    ('held', 'reversed')
    >>> weigh([0.1, -0.1, 0.0], "level", 0.5).label, weigh([0.0, 1e-9], "exact", 0.0).label
    ('held', 'held')
    """
    middle, ends = mean(effects), interval(effects)
    if kind == "exact":
        label: Label = "held" if min(effects) >= margin else "failed"
        return Weighed(effect=min(effects), low=None, high=None, seeds=len(effects), label=label)
    if ends is None:
        return Weighed(effect=middle, low=None, high=None, seeds=len(effects), label="undecided")
    low, high = ends
    if kind == "level":
        inside, outside = -margin < low and high < margin, low > margin or high < -margin
        label = "held" if inside else "reversed" if outside else "undecided"
    elif kind == "not behind":
        label = "held" if low > -margin else "reversed" if high < -margin else "undecided"
    else:
        matters = abs(middle) >= margin or math.isclose(abs(middle), margin)
        label = "undecided" if not matters or low <= 0 <= high else "held" if low > 0 else "reversed"
    return Weighed(effect=middle, low=low, high=high, seeds=len(effects), label=label)


def judged(parts: Sequence[Part], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Every part with its effect, interval and word, for result.json; the first is the headline, which decides."""
    table = Table(rows)
    found = []
    for at, part in enumerate(parts):
        seen = weigh(part.effect(table), part.kind, part.margin.least)
        said = {"says": part.says, "headline": at == 0, "source": part.source, "kind": part.kind}
        said |= {"margin": part.margin.least, "unit": part.margin.unit, "why": part.margin.why}
        found.append(plain({**said, **vars(seen)}))
    return found


def plain(value: Any) -> Any:
    """For JSON: tuples as lists, numbers to 6 digits, and what is not finite as null."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def higher(column: str, case: Case, over: Case, margin: Margin, source: Source) -> Part:
    """The part that a case has more of a column than another.

    >>> higher("rank", "INTL", "IterNorm", DIMENSION, "paper").says
    'rank: higher with INTL than with IterNorm'
    """
    says = f"{column}: higher with {_said(case)} than with {_said(over)}"
    return Part(says=says, effect=lambda table: table.gain(column, case, over=over), margin=margin, source=source)


def lower(column: str, case: Case, below: Case, margin: Margin, source: Source) -> Part:
    """The part that a case has less of a column than another.

    >>> lower("W2", "uniform", "ring", DISTANCE, "paper").says
    'W2: lower with uniform than with ring'
    """
    says = f"{column}: lower with {_said(case)} than with {_said(below)}"
    return Part(says=says, effect=lambda table: table.drop(column, case, below=below), margin=margin, source=source)


def _said(case: Case) -> str:
    return ", ".join(f"{one:g}" if isinstance(one, float) else str(one) for one in _tuple(case))


def at_equal(table: Table, x: str, y: str, cases: Sequence[Case], *, over: Sequence[Case]) -> list[float]:
    """How much more of y these cases have than others have at the same x, seed by seed.

    Between its cases each side is interpolated, and the difference averaged over what both reach of x; where
    that is nothing, at the ends that are nearest to each other.

    >>> rows = [{"loss": "ab"[at // 2], "weight": at % 2, "seed": 0, "x": at % 2, "y": at} for at in range(4)]
    >>> at_equal(Table(rows), "x", "y", [("b", 0), ("b", 1)], over=[("a", 0), ("a", 1)])
    [2.0]
    """
    import numpy as np  # here, for what lists experiments does not load numpy

    def by_seed(side: Sequence[Case]) -> list[list[tuple[float, float]]]:
        columns = [zip(table.of(x, *_tuple(case)), table.of(y, *_tuple(case)), strict=True) for case in side]
        return [sorted(seed) for seed in zip(*columns, strict=True)]

    found = []
    for sides in zip(by_seed(cases), by_seed(over), strict=True):
        shared = np.linspace(max(side[0][0] for side in sides), min(side[-1][0] for side in sides), 5)
        ours, theirs = (
            float(np.interp(shared, [at for at, _ in side], [value for _, value in side]).mean()) for side in sides
        )
        found.append(ours - theirs)
    return found
