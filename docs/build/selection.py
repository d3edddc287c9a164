"""Whether label-free numbers choose among settings of one recipe: from the bench, and from the papers' experiments."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from docs.build.agreement import agreement
from docs.build.numbers import with_interval

PAPERS = Path(__file__).parents[1] / "results" / "papers"
Cell = Mapping[str, Any]
Score = Callable[[Cell], float]  # the higher the better
Groups = Sequence[tuple[str, Sequence[Cell]]]  # a recipe, and its settings with one seed

TEXT = """## Do they choose among settings of one recipe?

None passes all that was measured, so no flag of `fullrank train` chooses settings by one.

Among settings near a good one they tell something. In the papers' experiments on Fashion-MNIST
([papers.md](../../papers.md), 150 steps, three to ten seeds) settings are strengths of a term, batch sizes, crops,
projectors, and a host alone, with Wang and Isola's loss and with W2. **tau** orders a recipe's settings as above, and
**regret** is what the setting with the best number loses in kNN accuracy against the best setting, in points: the mean
over recipes and hosts with its 95 % interval, and beside it that of a setting taken by chance.

| number | of | recipes | settings | tau | regret | by chance |
|---|---|---|---|---|---|---|
{gray}

But ranks take no training for a good one. Here the choice is between a recipe of the table above and the same network
with its random weights, which is what a learning rate near 0 or a single step leaves: how many of the {recipes} recipes
lose by the number against their own beginning (means over seeds), although {better} have a higher kNN accuracy,
and the regret of choosing by the number, over recipes. A rank can therefore choose no learning rate and no length where
some may be far too small; among three rates near a good one it is better than chance, and hardly better than always
taking the default, as the section after this says. Uniformity and spread do not fall for this, but in kNN accuracy they
order recipes and seeds above weakly or the wrong way. Which of three learning rates each of them would choose is in the
section after this.

| number | of | prefers no training to | regret in kNN |
|---|---|---|---|
{color}
"""

# Number, space, experiments with the columns of the number and of the accuracy, and which sign is better.
_EMBEDDING = {
    "corinfomax/ablation": ("effective rank", "kNN (%)"),
    "intl/weight": ("effective rank", "kNN accuracy (%)"),
    "intl/batch-size": ("effective rank", "kNN accuracy (%)"),
    "intl/teacher-crops": ("effective rank", "kNN accuracy (%)"),
    "w2/hosts": ("effective rank", "kNN (%)"),
}
_BACKBONE = {
    "directclr/projector": ("rank of the representation", "kNN (%)"),
    "hsr/energy-kinds": ("effective rank", "kNN (%)"),
    "w2/hosts": ("rank of representation", "kNN (%)"),
}
GRAY: tuple[tuple[str, str, Mapping[str, tuple[str, str]], int], ...] = (
    ("effective rank", "embedding", _EMBEDDING, 1),
    ("effective rank", "backbone", _BACKBONE, 1),
    (
        "uniformity",
        "embedding",
        {"w2/hosts": ("Wang-Isola", "kNN (%)"), "hsr/uniformity": ("uniformity of the embedding", "kNN (%)")},
        -1,
    ),
    ("W2", "embedding", {"w2/hosts": ("W2", "kNN (%)")}, -1),
)
_NOT_SETTINGS = ("untrained", "SimCLR")  # rows that are not settings of the experiment's recipe


def gray() -> str:
    """The rows of the table about the papers' experiments."""
    return "\n".join(_gray_row(*row) for row in GRAY)


def _gray_row(number: str, space: str, experiments: Mapping[str, tuple[str, str]], sign: int) -> str:
    groups = [group for name, columns in experiments.items() for group in _groups(name, *columns, sign)]
    flat = [(recipe, cell) for recipe, cells in groups for cell in cells]
    x, y = ([float(cell[key]) for _, cell in flat] for key in ("score", "accuracy"))
    tau, low, high = agreement(x, y, [recipe for recipe, _ in flat], within=True)
    lost = _by_recipe(groups, regrets(groups, _score))
    chance = mean(_by_recipe(groups, regrets(groups, None)))
    sizes = [len(cells) for _, cells in groups]
    counts = f"{len(lost)} | {' to '.join(map(str, sorted({min(sizes), max(sizes)})))}"
    return f"| {number} | {space} | {counts} | {said(tau, low, high)} | {with_interval(lost, 1)} | {chance:.1f} |"


def _groups(name: str, number: str, accuracy: str, sign: int) -> list[tuple[str, list[Cell]]]:
    """The settings of an experiment by host, if it has several, and seed; one training under two names is one."""
    rows = json.loads((PAPERS / name / "result.json").read_text(encoding="utf-8"))["rows"]
    case = next(iter(rows[0]))
    found: dict[tuple[str, int], list[Cell]] = {}
    for row in rows:
        if row[case] not in _NOT_SETTINGS:
            host = str(row[case]).partition(" + ")[0] if name == "w2/hosts" else name
            cell = {"score": sign * row[number], "accuracy": row[accuracy] / 100}
            cells = found.setdefault((host, row["seed"]), [])
            if cell not in cells:
                cells.append(cell)
    return [(recipe, cells) for (recipe, _), cells in found.items()]


def _score(cell: Cell) -> float:
    return float(cell["score"])


def _by_recipe(groups: Groups, values: Sequence[float]) -> list[float]:
    found: dict[str, list[float]] = {}
    for (recipe, _), value in zip(groups, values, strict=True):
        found.setdefault(recipe, []).append(value)
    return [mean(of) for of in found.values()]


def regrets(groups: Groups, score: Score | None) -> list[float]:
    """Points of accuracy that the choice loses against the best setting, for each group; None chooses by chance.

    >>> cells = [{"accuracy": 0.5, "score": 1}, {"accuracy": 0.7, "score": 3}, {"accuracy": 0.8, "score": 2}]
    >>> [round(one, 6) for one in regrets([("a", cells)], lambda cell: cell["score"])]
    [10.0]
    >>> [round(one, 6) for one in regrets([("a", cells)], None)]
    [13.333333]
    """
    lost = []
    for _, cells in groups:
        top = None if score is None else max(map(score, cells))
        chosen = [float(cell["accuracy"]) for cell in cells if score is None or score(cell) == top]
        lost.append(100 * (max(float(cell["accuracy"]) for cell in cells) - mean(chosen)))
    return lost


def against_no_training(recipes: Mapping[str, Sequence[Cell]], untrained: Sequence[Cell], score: Score) -> str:
    """In how many recipes a number is better of the random weights than of the trained ones, and the regret.

    >>> random, trained = {"rank": 3.0, "knn": 0.4}, {"rank": 2.0, "knn": 0.5}
    >>> against_no_training({"a": [trained]}, [random], lambda cell: cell["rank"])
    '1 of 1 | 10.0'
    """
    before, accuracy = mean(map(score, untrained)), mean(float(cell["knn"]) for cell in untrained)
    lost, fooled = [], 0
    for cells in recipes.values():
        after, reached = mean(map(score, cells)), mean(float(cell["knn"]) for cell in cells)
        wrong = before > after
        fooled += wrong
        lost.append(100 * (max(accuracy, reached) - (accuracy if wrong else reached)))
    return f"{fooled} of {len(lost)} | {with_interval(lost, 1)}"


def said(tau: float, low: float, high: float) -> str:
    """Tau with its interval, bold where that lacks 0; a dash where there is none.

    >>> said(0.5, 0.1, 0.9), said(float("nan"), 0.0, 0.0)
    ('**0.50 [0.10, 0.90]**', '–')
    """
    if math.isnan(tau):
        return "–"
    words = f"{tau:.2f} [{low:.2f}, {high:.2f}]"
    return f"**{words}**" if low > 0 or high < 0 else words
