"""Where nothing is there, experiments say so: simulated tables of noise in the shape of every result."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from docs.build.papers.results import GRAY, read
from fullrank.papers import catalog, load
from fullrank.papers.kit.parts import POINTS, Part, Row, Table, higher, judged, weigh
from tests.a_few import one_in

DRAWS = 400
SEEDED = [name for name in catalog() if load(name).parts[0].kind != "exact"]


def of_noise(rows: Sequence[Row], seeds: int, generator: np.random.Generator) -> list[Row]:
    """Rows of the same cases with so many seeds, in which every number is drawn from one distribution."""
    names = list(rows[0])
    cases = names[: names.index("seed")] if "seed" in names else names[:1]
    if not cases:  # a table by seed and step
        cases = ["step"]
    known = {tuple(row[name] for name in cases): row for row in rows}
    columns = [name for name in names if name not in (*cases, "seed")]
    made: list[Row] = []
    for seed in range(seeds):
        for row in known.values():
            drawn = 1000 + 50 * generator.standard_normal(len(columns))
            held = {
                name: value if isinstance(row[name], int | float) else row[name]
                for name, value in zip(columns, drawn, strict=True)
            }
            made.append({**{name: row[name] for name in names}, "seed": seed, **held})
    return made


def effects(part: Part, rows: Sequence[Row], seeds: int) -> list[list[float]]:
    """The effects of a part in many tables of noise; those that a threshold is set for are put around it."""
    generator = np.random.default_rng(0)
    drawn = [list(part.effect(Table(of_noise(rows, seeds, generator)))) for _ in range(DRAWS)]
    middle = float(np.mean(drawn)) if part.kind == "above" else 0.0
    middle += part.margin.least if part.kind == "not behind" else 0.0
    return [[value - middle for value in one] for one in drawn]


@pytest.mark.parametrize("seeds", one_in(2, [3, 10]))
@pytest.mark.parametrize("name", one_in(2, SEEDED))
def test_without_an_effect_the_headline_is_undecided(name: str, seeds: int) -> None:
    part = load(name).parts[0]
    found = effects(part, read(GRAY)[name]["rows"], seeds)
    said = [weigh(one, part.kind, part.margin.least).label for one in found]
    assert said.count("undecided") >= 0.9 * DRAWS
    assert said.count("held") <= 0.05 * DRAWS


@pytest.mark.parametrize(("shift", "label"), [(3.0, "held"), (-3.0, "reversed"), (0.2, "undecided")])
def test_an_effect_is_found_whichever_way_it_goes(shift: float, label: str) -> None:
    """0.2 points are there in every seed, and are less than what matters."""
    noise = np.random.default_rng(1).normal(0, 0.1, 10)
    rows: list[Row] = []
    for seed, value in enumerate(noise):
        rows += [{"net": "a", "seed": seed, "kNN": 80 + shift + value}, {"net": "b", "seed": seed, "kNN": 80.0}]
    (part,) = judged([higher("kNN", "a", "b", POINTS, "ours")], rows)
    assert part["label"] == label
    assert part["low"] < shift + 0.1
    assert part["high"] > shift - 0.1


def test_a_difference_that_is_paired_is_found_below_the_noise_of_the_seeds() -> None:
    luck = np.random.default_rng(2).normal(0, 5, 10)
    rows: list[Row] = []
    for seed, value in enumerate(luck):
        more = 81 + value + 0.1 * (-1) ** seed
        rows += [{"net": "a", "seed": seed, "kNN": more}, {"net": "b", "seed": seed, "kNN": 80 + value}]
    assert judged([higher("kNN", "a", "b", POINTS, "ours")], rows)[0]["label"] == "held"


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(3)
    for seeds in (3, 10):
        found = [weigh(list(generator.normal(1, 1, seeds)), "more", 0.0) for _ in range(2000)]
        covered = sum(one.low <= 1 <= one.high for one in found if one.low is not None and one.high is not None)
        assert 0.935 < covered / 2000 < 0.965


def test_the_first_part_decides_alone() -> None:
    """A reversed headline is not hidden by parts that hold."""
    rows: list[Row] = [
        {"net": net, "seed": seed, "kNN": value + seed / 100}
        for net, value in (("a", 80), ("b", 90))
        for seed in range(3)
    ]
    parts = [higher("kNN", a, b, POINTS, "ours") for a, b in pairwise(("a", "b", "a"))]
    assert [(part["label"], part["headline"]) for part in judged(parts, rows)] == [("reversed", True), ("held", False)]
