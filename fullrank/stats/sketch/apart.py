"""Outlying rows: the largest and the smallest are kept apart from the moments, with the rule that judges them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

HELD = 32  # of the largest and of the smallest rows each: more are not single rows
FIRST = 20  # numbers of rows of zeros that are kept
_FEWEST = 16  # rows from which a median says what is usual
_MOST = 0.05  # of the rows that may be left out at one end: more are a part of the data
_HEAVY, _LIGHT = 5.0, 1000.0  # times the median norm, or less than the median by
_APART = 2.0  # times the next row's norm: a tail that goes on is not a single row
_NEARLY_ALL = 9.0  # ours: times the energy of all other rows
_ALONE, _FEW = 100.0, 3  # ours: times the next row's norm, which one of so many has; of Pareto 2, one in 10,000 draws
_CHANCE = math.log(1000)  # a row that one in so many data sets of this tail would have


@dataclass(frozen=True, eq=False)
class Samples:
    """Whole samples: their numbers (h,), their rows (h, V, D), and the unit (h,) of each.

    Units are what is left out together: the rest of a unit's number after division by 20 is its group.
    """

    index: Tensor
    rows: Tensor
    units: Tensor

    def take(self, which: Tensor) -> Samples:
        """Some of the samples, by position or mask."""
        return Samples(self.index[which], self.rows[which.to(self.rows.device)], self.units[which])

    def __add__(self, other: Samples) -> Samples:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Samples(*(torch.cat(pair) for pair in pairs))


@dataclass(frozen=True, eq=False)
class Outliers:
    """Samples that were left out, worst first: numbers (h,), norms (h,), and share (h,) of the sum of squared norms.

    spread: how far they lie from their own mean, as a share of their length, over the same of the other rows: near 1
    for rows that broke one by one, near 0 for a group of its own. NaN for fewer than three.
    """

    index: Tensor
    norms: Tensor
    share: Tensor
    spread: float


def norms_of(rows: Tensor) -> tuple[Tensor, Tensor]:
    """The largest and the smallest norm (n,) among the views of samples (n, V, D), in float64."""
    norms = torch.linalg.vector_norm(rows.double(), dim=2).cpu()
    return norms.amax(1), norms.amin(1)


def own_spread(rows: Tensor, others: float) -> float:
    """The relative spread of rows (k, D) over that of others, divisor k - 1; NaN of fewer than three rows.

    >>> round(own_spread(torch.eye(4), 1.0), 6), own_spread(torch.ones(4, 2), 1.0)
    (1.0, 0.0)
    """
    if len(rows) < 3:
        return math.nan
    wide = rows.double() / rows.double().abs().max().clamp_min(torch.finfo(torch.float64).tiny)
    away = (wide - wide.mean(0)).square().sum() / (len(wide) - 1)
    whole = (wide.square().sum() / len(wide)).clamp_min(torch.finfo(torch.float64).tiny)
    return float((away / whole).sqrt()) / max(others, torch.finfo(torch.float64).tiny)


def extremes(high: Tensor, low: Tensor, index: Tensor, count: int = HELD) -> Tensor:
    """Mask (n,) of the `count` largest by `high` and the `count` smallest by `low`; ties go to the first numbers.

    >>> extremes(torch.tensor([1.0, 3.0, 2.0]), torch.tensor([1.0, 3.0, 2.0]), torch.arange(3), 1)
    tensor([ True,  True, False])
    """
    chosen: Tensor = _largest(high, index, count) | _largest(-low, index, count)
    return chosen


def _largest(values: Tensor, index: Tensor, count: int) -> Tensor:
    if len(values) <= count:
        return torch.ones(len(values), dtype=torch.bool)
    least = -np.partition(-values.numpy(), count - 1)[count - 1]
    chosen: Tensor = values > least
    equal = (values == least).nonzero()[:, 0]
    first = equal[index[equal].argsort()][: count - int(chosen.sum())]
    chosen[first] = True
    return chosen


def outlying(values: Tensor, usual: Tensor, n: int, factor: float) -> int:
    """How many of the largest norms (h,), in descending order, are single broken rows and not the tail of all n rows.

    A norm is broken if it is more than `factor` times the median of a sample `usual` (k,) of all norms, and beyond what
    a Pareto tail from the median through the 90th percentile would give as the largest of n once in a thousand draws.
    The last of them must also be twice the next, as tails go on and single rows stand apart. There are none below 16
    rows, and none if they are more than 5 % of the rows or all `values` are so: then they are a part of the data. A
    Pareto tail is the heaviest that norms have been seen to have, so that word vectors, items and features of a ReLU
    keep theirs.

    Blind to: rows below `factor`, and more of them than `values`.

    >>> usual = torch.linspace(1, 2, 100)
    >>> outlying(torch.tensor([900.0, 800.0, 2.0, 1.9]), usual, 100, 5.0)
    2
    """
    if n < _FEWEST or len(values) == 0:
        return 0
    middle, upper = usual.quantile(0.5), usual.quantile(0.9)
    tail = float((upper / middle).log()) / math.log(5)  # 1 / exponent: a tenth of the rows is beyond the 90th, a half
    tail *= 1 + 2 / math.sqrt(len(usual) / 10)  # and two errors of that, by the rows beyond
    limit = max(math.log(factor), (math.log(n / 2) + _CHANCE) * tail)
    beyond = (values / middle).log() > limit
    if bool(beyond.all()):  # there may be more
        return 0
    ends = (beyond[:-1] & (values[:-1] >= _APART * values[1:])).nonzero()
    count = int(ends[-1, 0]) + 1 if len(ends) else 0
    return count if count <= max(_MOST * n, 1) else 0


def dominant(values: Tensor, usual: Tensor, n: int) -> int:
    """How many of the largest norms (h,), in descending order, hold nine tenths of the energy of all n rows: up to 3.

    Every mean and spectrum is then that of these rows, however heavy the tail. The last of them is a hundred times as
    long as the next, which hardly any tail does. There are none below 16 rows.

    >>> usual = torch.linspace(1, 2, 100)
    >>> dominant(torch.tensor([900.0, 2.0, 1.9]), usual, 100), dominant(torch.tensor([9.0, 2.0, 1.9]), usual, 100)
    (1, 0)
    """
    if n < _FEWEST or len(values) == 0:
        return 0
    energy, others = values.square(), usual[usual < values.min()].square()
    beyond = (n - len(values)) * (float(others.mean()) if len(others) else float(energy[-1]))
    count = 0
    for end in range(1, min(_FEW, len(values) - 1) + 1):
        holds = float(energy[count:end].sum()) > _NEARLY_ALL * (float(energy[end:].sum()) + beyond)
        count = end if holds and values[end - 1] >= _ALONE * values[end] else count
    return count


def left_out(held: Samples, sample: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Positions among the held samples of the exploded (a,) and of the near-empty ones (b,), worst first.

    sample: rows (k, V, D) of all n samples. A row is near-empty if its norm is below a thousandth of the median, by the
    same rule for the inverse norms.
    """
    high, low = norms_of(held.rows)
    usual_high, usual_low = norms_of(sample)
    heavy = high.argsort(descending=True, stable=True)[:HELD]
    light = low.argsort(stable=True)[:HELD]
    tiny = torch.finfo(torch.float64).tiny
    broken = max(outlying(high[heavy], usual_high, n, _HEAVY), dominant(high[heavy], usual_high, n))
    empty = outlying(1 / low[light].clamp_min(tiny), 1 / usual_low.clamp_min(tiny), n, _LIGHT)
    return heavy[:broken], light[:empty]
