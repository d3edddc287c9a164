"""What effects are made of, and panels of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean

from fullrank.papers.kit.experiment import Panel, Series

COLLAPSED = 0.1  # of `used`; below it most of what the dimensions could hold is lost


def used(ranks: Sequence[float], spreads: Sequence[float], dims: int) -> list[float]:
    """Effective rank as a share of the dimensions, times relative spread, seed by seed: 0 (collapsed) to 1.

    Rank and spread go together: a rank has no scale, and a spread does not see a line.

    >>> used([8.0, 1.0], [0.5, 1.0], 16)
    [0.25, 0.0625]
    """
    return [rank / dims * spread for rank, spread in zip(ranks, spreads, strict=True)]


def differences(lower: Sequence[float], higher: Sequence[float]) -> list[float]:
    """higher - lower, seed by seed.

    >>> differences([1.0, 2.0], [4.0, 3.0])
    [3.0, 1.0]
    """
    return [b - a for a, b in zip(lower, higher, strict=True)]


def by_case(title: str, y_label: str, values: Mapping[str, Sequence[float]], *expected: Series) -> Panel:
    """One column of points for each case, a point for each seed, and a line at their means."""
    at = [(float(index), value) for index, case in enumerate(values.values()) for value in case]
    means = tuple(mean(case) for case in values.values())
    seeds = Series(label="seeds", x=tuple(x for x, _ in at), y=tuple(y for _, y in at), style="points")
    line = Series(label="mean", x=tuple(float(index) for index in range(len(means))), y=means)
    return Panel(title=title, x_label="", y_label=y_label, series=(seeds, line, *expected), x_names=tuple(values))


def by_number(
    title: str,
    x_label: str,
    y_label: str,
    values: Mapping[str, Mapping[int, Sequence[float]]] | Mapping[str, Mapping[float, Sequence[float]]],
    *expected: Series,
    log_x: bool = False,
) -> Panel:
    """For each label a line through the means at every x, and a point for each seed."""
    series: list[Series] = []
    for label, cases in values.items():
        points = [(float(x), value) for x, seeds in cases.items() for value in seeds]
        means = tuple(mean(seeds) for seeds in cases.values())
        series.append(Series(label=label, x=tuple(map(float, cases)), y=means))
        series.append(Series(label=label, x=tuple(x for x, _ in points), y=tuple(y for _, y in points), style="points"))
    return Panel(title=title, x_label=x_label, y_label=y_label, series=(*series, *expected), log_x=log_x)


def kept_panel(kept: Mapping[str, Sequence[float]]) -> Panel:
    """What the embedding of each case keeps, as `used` has it, and the threshold below which it counts as collapsed."""
    line = threshold("collapsed below", COLLAPSED, (0.0, len(kept) - 1.0))
    return by_case("what the embedding keeps", "effective rank / dimensions x relative spread", kept, line)


def by_seed(first: str, columns: Mapping[str, Mapping[str, Sequence[float]]]) -> tuple[dict[str, str | float], ...]:
    """A table with a row for each case and seed, from the values of every column by case; "" where it has none.

    >>> by_seed("loss", {"rank": {"intl": [9.0]}, "trace": {}})
    ({'loss': 'intl', 'seed': 0, 'rank': 9.0, 'trace': ''},)
    """
    rows: list[dict[str, str | float]] = []
    for case, seeds in next(iter(columns.values())).items():
        for seed in range(len(seeds)):
            cells = {name: values[case][seed] if case in values else "" for name, values in columns.items()}
            rows.append({first: case, "seed": seed, **cells})
    return tuple(rows)


def level(label: str, y: float, x: Sequence[float]) -> Series:
    """A closed form that does not depend on x: a level from the first x to the last."""
    return Series(label=label, x=(float(x[0]), float(x[-1])), y=(y, y), style="expected")


def threshold(label: str, y: float, x: Sequence[float]) -> Series:
    """What a verdict asks, from the first x to the last."""
    return replace(level(label, y, x), style="threshold")
