"""The laws of a metric, one function each, which raises AssertionError with the input and the numbers that break it."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import get_args

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics import Collapse, Measurement
from fullrank.stats import merge, moments, normalize
from fullrank.testing.metric_clouds import COLLAPSES, DIMS, GRADES, ROWS, cone, dead, edges, points, rotation, rows

SEEN = 0.25  # a metric sees a collapse if it loses more than this share of its way from healthy to collapsed
_SMALL = 1e-9


def ordered(kind: Collapse) -> Callable[[Measurement], None]:
    """The law that each grade of a collapse reads worse than the last, the worst far worse; or it is blind to it."""

    def law(metric: Measurement) -> None:
        if not metric.grades:
            return
        assert metric.blind_to is not None
        assert metric.collapsed is not None
        values = [_value(metric, COLLAPSES[kind](grade)) for grade in range(GRADES)]
        sign = 1 if metric.direction == "high" else -1
        health, bottom = [sign * value for value in values], sign * metric.collapsed
        way = metric.way or (abs(health[0] - bottom) if math.isfinite(bottom) else abs(health[0]))
        said = f"over {GRADES} grades of {kind} collapse it is {', '.join(f'{value:.4g}' for value in values)}"
        if kind in metric.blind_to:
            if health[-1] < health[0] - SEEN * max(way, _SMALL):
                _fail(f"{said}, so that it sees what it is said to be blind to")
            return
        if not all(after < before or after == bottom for before, after in pairwise(health)):
            _fail(f"{said}, which is not {'falling' if sign > 0 else 'rising'}")
        if not health[-1] < health[0] - SEEN * way:
            _fail(f"{said}, which hardly moves: say that it is blind to {kind}")

    return law


def defined(metric: Measurement) -> None:
    """A number within its range, and never NaN, at every edge."""
    for case, z in edges().items():
        value = metric.function(z)
        if type(value) not in (float, int):
            _fail(f"of {case} it is a {type(value).__name__}, and no float")
        dims = z.shape[1]
        if math.isnan(value) and not metric.grades:  # it does not apply
            continue
        if not metric.range[0] - 1e-6 <= value <= metric.most(dims) + 0.01:
            _fail(f"of {case} it is {value:.6g}, beyond its range {metric.range[0]:g} to {metric.most(dims):g}")


def collapsed(metric: Measurement) -> None:
    """One point, wherever it is, and one row give the value that is said."""
    if metric.collapsed is None:
        return
    for z in [*points(), rows(1)]:
        value = metric.function(z)
        if not (value == metric.collapsed or abs(value - metric.collapsed) < 1e-3):
            _fail(f"{len(z)} equal rows give {value:.6g}, not {metric.collapsed:g}")


def ideal(metric: Measurement) -> None:
    """The corners +-e_j, with mean zero and equal variance in every direction, give the best value."""
    if not metric.grades:
        return
    corners = torch.cat([torch.eye(DIMS), -torch.eye(DIMS)]).repeat(1 if metric.of_pairs else 8, 1)
    best, value = metric.healthy(DIMS), metric.function(corners)
    assert best is not None
    if not abs(value - best) <= 0.02 + 0.02 * abs(best):
        _fail(f"corners at right angles give {value:.6g}, and the ideal is {best:g}")


def order_and_scale(metric: Measurement) -> None:
    """The order of the rows and their scale do not matter."""
    z = _tilted()
    value = metric.function(z)
    shuffled = metric.function(z[torch.randperm(ROWS, generator=torch.Generator().manual_seed(0))])
    if not math.isclose(shuffled, value, rel_tol=1e-6):
        _fail(f"it is {value:.9g}, and {shuffled:.9g} of the same rows in another order")
    scaled = metric.function(z * 1e6)
    if metric.scales == math.isclose(scaled, value, rel_tol=1e-6):
        _fail(f"it is {value:.9g}, and {scaled:.9g} of a million times the rows")


def axes(metric: Measurement) -> None:
    """A rotation does not matter, or it is said that it does."""
    z = _tilted()
    value, turned = metric.function(z), metric.function(z @ rotation())
    if metric.rotates and not math.isclose(turned, value, rel_tol=1e-6):
        _fail(f"it is {value:.9g}, and {turned:.9g} of the same rows rotated")
    copies = dead(0)[:, : DIMS // 2].repeat(1, 2)
    huge = dead(0) * torch.ones(DIMS).index_fill(0, torch.tensor([7]), 100.0)
    changed = (copies, huge, dead(0).clamp_min(0.0))
    seen = [(value, turned), *((metric.function(one), metric.function(one @ rotation())) for one in changed)]
    if not metric.rotates and all(math.isclose(*pair, rel_tol=1e-6) for pair in seen):
        _fail(f"it is {value:.9g} of rows as of the same rotated, though it is said to depend on the axes")


def of_moments(metric: Measurement) -> None:
    """Moments give what the rows give, and merging any split of them gives what the whole gives."""
    if metric.of not in ("moments", "directions"):
        return
    duplicates = COLLAPSES["duplicate"](2)
    for z in [cone(2), COLLAPSES["dimensional"](2), duplicates, dead(1), rows(8), rows(1), rows(1).expand(9, DIMS)]:
        u = normalize(z)  # what is about directions takes moments of unit rows; the others take any
        value = metric.function(u)
        for cut in sorted({0, 1, len(u) // 2, len(u)}):
            merged = metric.function(merge(moments(u[:cut]), moments(u[cut:])))
            same = math.isnan(value) and math.isnan(merged)
            if not same and not math.isclose(merged, value, rel_tol=1e-6, abs_tol=1e-9):
                _fail(f"{len(u)} rows give {value:.9g}, and their moments {merged:.9g}, merged at {cut}")


def null(metric: Measurement) -> None:
    """What it is said to be of perfect data is the mean over isotropic draws."""
    if metric.expected is None or not metric.grades:
        return
    for n, d in ((300, 40), (40, 100)):
        drawn = sum(metric.function(rows(n, d, seed)) for seed in range(4)) / 4
        said = metric.null(n, d)
        # 8 %: largest over smallest eigenvalue of four draws; a tenth of the way: a cut at the end of the range
        if not (said == drawn or abs(said - drawn) <= max(0.08 * abs(drawn), 0.1 * (metric.way or 0.3))):
            _fail(f"{n} isotropic rows in {d} dimensions give {drawn:.5g}, and it says {said:.5g}")


def refuses(metric: Measurement) -> None:
    """NaN, infinity and no rows are refused in a sentence of `UserError`."""
    for bad, kind in ((math.nan, "NaN"), (math.inf, "infinity"), (-math.inf, "infinity")):
        z = rows(8).clone()
        z[3, 4] = bad
        _refused(metric, z, kind)
    for shape in ((0, 4), (4, 0), (4,), (2, 3, 4)):
        _refused(metric, torch.zeros(shape), "shape")


def _refused(metric: Measurement, z: Tensor, word: str) -> None:
    try:
        value = metric.function(z)
    except UserError as error:
        if word not in str(error):
            _fail(f"of rows with a wrong {word} it says {str(error)!r}, which does not name it")
    else:
        _fail(f"of rows with a wrong {word} it gives {value}, and no UserError")


def _tilted() -> Tensor:
    return dead(1) * torch.linspace(1, 2, DIMS) + 0.3


def _value(metric: Measurement, z: Tensor) -> float:
    value = float(metric.function(z))
    if math.isnan(value):
        _fail(f"of {len(z)} rows in {z.shape[1]} dimensions it is NaN")
    return value


def _fail(sentence: str) -> None:
    raise AssertionError(sentence)


def alike(metric: Measurement) -> None:
    """Two embeddings of the same samples that differ by a factor give the best value."""
    value = metric.function(rows(), 3 * rows())
    if metric.ideal is not None and not abs(value - metric.ideal) < 1e-6:
        _fail(f"rows and three times the rows give {value:.6g}, and the ideal is {metric.ideal:g}")


def unrelated(metric: Measurement) -> None:
    """Unrelated rows, and two points unless it says otherwise, give the value of chance."""
    if metric.expected is None:
        return
    chance = metric.expected(ROWS, DIMS)
    value = metric.function(rows(), rows(seed=7))
    if not abs(value - chance) < 0.02:
        _fail(f"unrelated rows give {value:.6g}, and chance is said to be {chance:.6g}")
    point = points()[0]
    value, said = metric.function(point, point), chance if metric.collapsed is None else metric.collapsed
    if not abs(value - said) < 0.02:
        _fail(f"two points give {value:.6g}, not {said:.6g}")


def defined_for_two(metric: Measurement) -> None:
    """A number in its range, and never NaN, at every edge."""
    for case, z in edges().items():
        value = metric.function(z, z)
        if type(value) not in (float, int) or not metric.range[0] - 1e-6 <= value <= metric.range[1] + 1e-6:
            _fail(f"of {case}, twice, it is {value}, beyond its range {metric.range[0]:g} to {metric.range[1]:g}")


def refuses_two(metric: Measurement) -> None:
    """NaN and different samples are refused in a sentence of `UserError`."""
    for other in (torch.full((ROWS, DIMS), math.nan), rows()[1:]):
        try:
            value = metric.function(rows(), other)
        except UserError:
            continue
        _fail(f"it gives {value} of rows and {'others' if len(other) < ROWS else 'NaN'}, and no UserError")


PAIR_LAWS: dict[str, tuple[Callable[[Measurement], None], str]] = {
    "alike": (alike, "its value of two that are alike"),
    "unrelated": (unrelated, "its value by chance"),
    "defined": (defined_for_two, "a number in its range at every edge"),
    "refuses": (refuses_two, "a sentence for what are not two embeddings"),
}
METRIC_LAWS: dict[str, tuple[Callable[[Measurement], None], str]] = {
    **{
        kind: (ordered(kind), f"worse with each grade of {kind} collapse, or blind to it")
        for kind in get_args(Collapse)
    },
    "defined": (defined, "a number in its range at every edge"),
    "collapsed": (collapsed, "its value of one point"),
    "ideal": (ideal, "its value of perfect rows"),
    "order and scale": (order_and_scale, "free of the order of the rows and of their scale"),
    "axes": (axes, "free of a rotation, or said not to be"),
    "moments": (of_moments, "the same of rows and of their moments"),
    "null": (null, "its value of isotropic rows"),
    "refuses": (refuses, "a sentence for what is not an embedding"),
}
