"""The part of the bench's page about learning rates: which is best for each recipe, and whether numbers tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import mean
from typing import Any

from benchmarks.bench.search import RATES
from docs.build.agreement import agreement
from docs.build.numbers import with_interval
from docs.build.selection import regrets, said

Cell = Mapping[str, Any]
Score = Callable[[str, str, Cell], float]  # of space, key and cell: the higher the better
_NAMES = ("a third", "the default", "three times")

TEXT = """## The same search for every recipe

`python -m benchmarks.bench.search --images SETS/sprites-32 --bench docs/results/bench/sprites-32 --out
docs/results/bench/{folder} --figures SETS/sprites-figures.csv --seeds {seeds}`: each recipe with a third, one and three
times the learning rate that FullRank chooses for `tiny`, by one rule for all of them. It learns from {train:,} training
images, and both probes are asked about {held_out:,} training images of other figures, a fourth of those of each class;
no test image is read ([{folder}]({folder}), {seeds_said}).

| accuracy on held-out training images | kNN | linear |
|---|---|---|
{differences}

Means over {recipes} recipes, with the 95 % interval over recipes. By the mean of both probes {best}.
{conclusion} So the rate stays as it is, and is the same for every recipe.

| recipe | kNN at a third, one, three times | linear | best |
|---|---|---|---|
{rows}

Whether numbers without labels would choose as well: **tau** orders the three rates of a recipe as kNN does, and
**regret** is what the rate with the best number loses in kNN accuracy against the best rate, in points. A rate taken
by chance loses {chance:.1f}, and the default {default}.

| number | of | tau | regret |
|---|---|---|---|
{numbers}
"""


def section(
    about: Mapping[str, Any],
    cells: Sequence[Cell],
    folder: str,
    numbers: Mapping[str, str],
    score: Callable[..., float],
) -> str:
    """The section in Markdown, of the cells of a search; `score` is that of the bench."""
    recipes = {name: _of(cells, name) for name in sorted({cell["name"] for cell in cells})}
    best = {name: max(RATES, key=lambda rate: _both(at[rate])) for name, at in recipes.items()}
    counts = [sum(rate == of for of in best.values()) for rate in RATES]
    groups = [(cell["name"], _seed(cells, cell)) for cell in cells if cell["times"] == 1.0]
    seeds = 1 + max(cell["seed"] for cell in cells)
    return TEXT.format(
        **about,
        folder=folder,
        seeds=seeds,
        seeds_said="one seed" if seeds == 1 else f"{seeds} seeds",
        recipes=len(recipes),
        differences="\n".join(_difference(recipes, rate, name) for rate, name in zip(RATES, _NAMES, strict=True)),
        best=", ".join(f"{name} is best for {count}" for name, count in zip(_NAMES, counts, strict=True)),
        conclusion=_conclusion(recipes),
        rows="\n".join(_row(name, at, best[name]) for name, at in recipes.items()),
        chance=mean(regrets(_judged(groups), None)),
        default=with_interval(regrets(_judged(groups), lambda cell: float(cell["times"] == 1.0)), 1),
        numbers="\n".join(
            _number(groups, key, name, space, score)
            for space in ("backbone", "embedding")
            for key, name in numbers.items()
            if key != "verdict"
        ),
    )


def _of(cells: Sequence[Cell], name: str) -> dict[float, list[Cell]]:
    return {rate: [cell for cell in cells if cell["name"] == name and cell["times"] == rate] for rate in RATES}


def _seed(cells: Sequence[Cell], cell: Cell) -> list[Cell]:
    return [one for one in cells if (one["name"], one["seed"]) == (cell["name"], cell["seed"])]


def _mean(cells: Sequence[Cell], key: str) -> float:
    return mean(float(cell[key]) for cell in cells)


def _both(cells: Sequence[Cell]) -> float:
    return (_mean(cells, "knn") + _mean(cells, "linear")) / 2


def _difference(recipes: Mapping[str, Mapping[float, Sequence[Cell]]], rate: float, name: str) -> str:
    said = []
    for key in ("knn", "linear"):
        if rate == 1.0:
            said.append(f"{mean(_mean(at[rate], key) for at in recipes.values()):.3f}")
        else:
            gains = [100 * (_mean(at[rate], key) - _mean(at[1.0], key)) for at in recipes.values()]
            said.append(f"{with_interval(gains, 1)} points")
    return f"| {name}{'' if rate == 1.0 else ', against the default'} | {' | '.join(said)} |"


def _conclusion(recipes: Mapping[str, Mapping[float, Sequence[Cell]]]) -> str:
    lost = [100 * (max(map(_both, at.values())) - _both(at[1.0])) for at in recipes.values()]
    return (
        f"The default loses {mean(lost):.1f} points on average against the best of the three, {max(lost):.1f} at most. "
        "The best of three is above the others by chance, too: held-out sets of this size have a standard error of "
        "1.6 points."
    )


def _row(name: str, at: Mapping[float, Sequence[Cell]], best: float) -> str:
    columns = [", ".join(f"{_mean(at[rate], key):.3f}" for rate in RATES) for key in ("knn", "linear")]
    return f"| `{name}` | {' | '.join(columns)} | {_NAMES[RATES.index(best)]} |"


def _judged(groups: Sequence[tuple[str, Sequence[Cell]]]) -> list[tuple[str, list[Cell]]]:
    return [(name, [{**cell, "accuracy": cell["knn"]} for cell in cells]) for name, cells in groups]


def _number(groups: Sequence[tuple[str, Sequence[Cell]]], key: str, name: str, space: str, score: Score) -> str:
    judged = _judged(groups)
    flat = [cell for _, cells in judged for cell in cells]
    scores = [score(space, key, cell) for cell in flat]
    tau = agreement(scores, [float(cell["knn"]) for cell in flat], [cell["name"] for cell in flat], within=True)
    lost = [mean(regrets([group], lambda cell: score(space, key, cell))) for group in judged]
    return f"| {name} | {space} | {said(*tau)} | {with_interval(lost, 1)} |"
