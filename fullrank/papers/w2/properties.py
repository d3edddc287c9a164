"""Fang et al. (2024), table 1: which of four properties hold of W2 and of Wang & Isola's loss."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import mean

from torch import Tensor

from fullrank.metrics import Properties, properties, uniformity, w2_uniformity
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import EXACT, Part, Source, Table
from fullrank.papers.w2.cloning import raw_uniformity
from fullrank.papers.w2.theory import raw_w2


def table_1(settings: Settings) -> Outcome:
    """Which properties hold of W2 and of Wang & Isola's uniformity, with and without scaling rows to length 1."""
    metrics: dict[str, Callable[[Tensor], float]] = {
        "W2": w2_uniformity, "Wang-Isola": uniformity, "W2, rows as they are": raw_w2,
        "Wang-Isola, rows as they are": raw_uniformity,
    }  # fmt: skip
    found = {
        name: [properties(metric, higher_is_healthier=False, seed=seed) for seed in settings.each_seed]
        for name, metric in metrics.items()
    }
    words = [f"{name}: {', '.join(_failed(seeds[0])) or 'none'}" for name, seeds in found.items()]
    names = tuple(row.name for row in found["W2"][0].rows)
    series = tuple(
        Series(label=name, x=tuple(map(float, range(len(names)))), y=_changes(seeds), style="points")
        for name, seeds in found.items()
    )
    demanded = Series(label="no change", x=(0.0, float(len(names) - 1)), y=(0.0, 0.0), style="expected")
    return Outcome(
        measured=f"Of the paper's four properties fail in seed 0: {'; '.join(words)}.",
        panels=(
            Panel(
                title="Three must not change, two must rise",
                x_label="",
                y_label="change of the loss, lower is more uniform (no unit)",
                series=(*series, demanded),
                x_names=names,
            ),
        ),
        rows=tuple(
            {"metric": name, "seed": seed, **{row.name: "yes" if row.holds else "no" for row in one.rows}}
            for name, seeds in found.items()
            for seed, one in enumerate(seeds)
        ),
    )


def _failed(one: Properties) -> tuple[str, ...]:
    return tuple(name for name in one.failed if name != "instance scaling")


def _changes(seeds: Sequence[Properties]) -> tuple[float, ...]:
    return tuple(mean(one.rows[at].after - one.rows[at].before for one in seeds) for at in range(len(seeds[0].rows)))


# The paper's four; instance scaling is of an earlier version, and true of what scales its rows itself.
_BLIND = ("instance cloning", "feature cloning", "feature baby")
_FOUR = ("instance permutation", *_BLIND)


def _properties(metric: str, lacking: tuple[str, ...], source: Source) -> Part:
    """The part that a metric lacks just these of the four properties."""

    def right(table: Table) -> list[float]:
        rows = [row for row in table.rows if row["metric"] == metric]
        lacks = [tuple(name for name in _FOUR if row[name] == "no") for row in rows]
        return [0.0 if found == lacking else -1.0 for found in lacks]

    says = f"{metric} {'has all four' if not lacking else 'lacks ' + ', '.join(lacking)}"
    return Part(says=says, effect=right, margin=EXACT, source=source, kind="exact")


PROPERTIES = Experiment(
    name="w2/properties",
    paper="Fang et al. 2024, table 1",
    title="Four properties of a uniformity metric",
    claim="W2 has all four properties, Wang and Isola's uniformity only that of instance permutation.",
    minutes=0.01,
    run=table_1,
    parts=(
        _properties("W2", (), "paper"),
        _properties("Wang-Isola", _BLIND, "paper"),
        _properties("W2, rows as they are", (), "ours"),
        _properties("Wang-Isola, rows as they are", _BLIND, "ours"),
    ),
)
