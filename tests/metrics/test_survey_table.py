"""The sensitivity table of the survey (4,096 x 256), on clouds drawn anew from its recipes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from fullrank.metrics import (
    dead_dimensions,
    dimension_std,
    dims_for_variance,
    duplicate_dimensions,
    effective_rank,
    mean_cosine,
    nesum,
    plugin_participation_ratio,
    rankme,
    relative_spread,
    stable_rank,
    uniformity,
    w2_uniformity,
)
from fullrank.stats import Moments, moments, normalize
from tests.metrics.clouds import survey


@cache
def summed_up(name: str, unit: bool) -> Moments:
    """The cloud's moments, once for all metrics that are functions of them."""
    return moments(normalize(survey()[name]) if unit else survey()[name])


def centered_rankme(z: Moments) -> float:
    return rankme(z, convention="centered")


NAMES = ("isotropic", "power 1", "point", "constant", "rank 16", "power 2", "cone", "half dead", "duplicates", "rogue")
OF_MOMENTS: list[tuple[Callable[[Moments], float], tuple[float, ...]]] = [
    (relative_spread, (1, 1, 0.001, 0, 1, 1, 0.316, 1, 1, 1)),
    (w2_uniformity, (0.126, 0.657, 1.41, 1.41, 1.22, 1.13, 1.17, 0.769, 0.769, 0.762)),
    (rankme, (254, 207, 1.18, 1, 16, 74, 162, 128, 128, 196)),
    (centered_rankme, (254, 207, 254, 1, 16, 74, 254, 127, 127, 196)),
    (effective_rank, (248, 73, 248, 1, 16, 4.9, 248, 126, 126, 5.5)),
    (plugin_participation_ratio, (241, 22.7, 241, 1, 15.9, 2.5, 241, 124, 124, 1.6)),
    (nesum, (164, 6.2, 162, 1, 14.4, 1.6, 166, 94, 93, 1.3)),
    (stable_rank, (164, 6.2, 1, 1, 14.4, 1.6, 1.1, 94, 93, 1.3)),
    (dims_for_variance, (217, 133, 217, 1, 15, 6, 217, 111, 111, 111)),
    (dead_dimensions, (0, 0, 0, 1, 0, 0, 0, 0.5, 0, 0)),
    (duplicate_dimensions, (0, 0, 0, 0, 0, 0, 0, 0, 0.5, 0)),
]


@pytest.mark.parametrize(("metric", "row"), OF_MOMENTS, ids=lambda value: getattr(value, "__name__", ""))
def test_functions_of_moments(metric: Callable[[Moments], float], row: tuple[float, ...]) -> None:
    for name, expected in zip(NAMES, row, strict=True):
        # Another draw, and two or three printed digits; the rogue column hangs on the variance of one dimension.
        draw = 0.1 if name == "rogue" else 0.055
        assert metric(summed_up(name, metric is w2_uniformity)) == pytest.approx(expected, rel=draw, abs=1e-3), name


OF_ROWS: list[tuple[Callable[..., float], dict[str, float]]] = [
    (mean_cosine, {"isotropic": 0, "power 1": 0, "point": 1, "constant": 1, "rank 16": 0, "cone": 0.9, "rogue": 0}),
    (
        dimension_std,
        {"isotropic": 1, "power 1": 0.99, "point": 0.001, "rank 16": 0.985, "power 2": 0.954, "cone": 0.316},
    ),
    (dimension_std, {"constant": 0, "half dead": 0.707, "duplicates": 1, "rogue": 0.717}),
    (uniformity, {"isotropic": -3.97, "power 1": -3.72, "point": 0, "constant": 0, "rank 16": -3.51}),
    (uniformity, {"power 2": -2.47, "cone": -0.40, "half dead": -3.94, "duplicates": -3.94, "rogue": -2.24}),
]


@pytest.mark.parametrize(("metric", "expected"), OF_ROWS, ids=lambda value: getattr(value, "__name__", ""))
def test_functions_of_rows(metric: Callable[[Any], float], expected: dict[str, float]) -> None:
    for name, value in expected.items():
        # The first 1,000 rows: these means over rows or pairs have no bias in N.
        assert metric(survey()[name][:1000]) == pytest.approx(value, rel=0.03, abs=5e-3), name
