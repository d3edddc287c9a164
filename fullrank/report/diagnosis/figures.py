"""The figures of a diagnosis: each shows what was measured, and dashed what perfect data of this size would give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from fullrank.report.draw.lines import FLOOR, POINTS, SIZE, Panel, column, name_powers
from fullrank.report.draw.scatter import cloud, edge_words, largest
from fullrank.report.draw.svg import INK, OTHER, SERIES, svg, variable
from fullrank.report.runs.figures import Key, Plot
from fullrank.runs.samples import Array

Drawing = Mapping[str, Any]
_DASHES = (0, (4, 2))
_FOUND = Key("these embeddings", variable(SERIES[0]))
_PERFECT = Key("perfect data of this size", variable(INK), line="dashed")


def diagnosis_figures(drawings: Mapping[str, Drawing], classes: list[str]) -> list[Plot]:
    """All figures there are numbers for, in the order of the page; classes are the names of the labels."""
    draw: dict[str, Callable[[Drawing], Plot]] = {
        "spectrum": _spectrum,
        "cosines": _cosines,
        "hill": _hill,
        "dimensions": _dimensions,
        "projection": lambda drawing: _projection(drawing, classes),
        "hubness": _hubness,
    }
    return [make(drawings[name]) for name, make in draw.items() if drawings.get(name)]


def _spectrum(drawing: Drawing) -> Plot:
    index, values, null = (column(drawing[name]) for name in ("index", "eigenvalue", "null"))

    def fill(axes: Axes) -> None:
        known = [np.where(y > 0, y, np.nan) for y in (null, values)]
        if not np.isfinite(known[1]).any():
            axes.text(0.5, 0.5, "no variance at all", transform=axes.transAxes, ha="center", va="center")
            axes.set(xticks=[], yticks=[])
            return
        top = np.nanmax(known[1])
        chosen = _spaced(len(index))
        axes.plot(index[chosen], known[0][chosen], color=INK, linewidth=1.2, linestyle=_DASHES)
        axes.plot(
            index[chosen], known[1][chosen], color=SERIES[0], linewidth=1.6, marker="o" if len(index) < 3 else None
        )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylim(bottom=max(min(axes.get_ylim()[0], top / 100), top * FLOOR))  # a flat one looks flat
        axes.set_xlim(0.9, max(len(index), 2) * 1.1)
        name_powers(axes.xaxis)
        name_powers(axes.yaxis)
        axes.set(xlabel="direction, largest variance first", ylabel="variance along it")

    caption = (
        "Healthy embeddings fall along a gentle line. A cliff means that the directions to its right are unused; a line"
        " far below its first point means that one direction carries nearly everything."
    )
    return _plot("spectrum", "Spectrum", caption, (_FOUND, _PERFECT), fill, "variance along each direction")


def _cosines(drawing: Drawing) -> Plot:
    edges, density, null = (column(drawing[name]) for name in ("edges", "density", "null"))

    def fill(axes: Axes) -> None:
        axes.stairs(density, edges, fill=True, color=SERIES[0], alpha=0.55, linewidth=0)
        axes.stairs(null, edges, color=INK, linewidth=1.2, linestyle=_DASHES)
        axes.set(xlabel="cosine of two rows", ylabel="density of the pairs", xlim=(-1.02, 1.02))
        axes.set_xticks([-1, -0.5, 0, 0.5, 1])

    caption = (
        "Cosine similarity of two different rows. A peak at 1 means one point or one narrow cone; several peaks mean"
        " clusters; the dashed line is what directions drawn evenly from the sphere would show."
    )
    return _plot("cosines", "Cosines of pairs", caption, (_FOUND, _PERFECT), fill, "density of the cosines of pairs")


def _hill(drawing: Drawing) -> Plot:
    order, value, null = (column(drawing[name]) for name in ("order", "value", "null"))

    def fill(axes: Axes) -> None:
        axes.plot(order, null, color=INK, linewidth=1.2, linestyle=_DASHES)
        axes.plot(order, value, color=SERIES[0], linewidth=1.6, marker="o", markersize=3)
        if np.nanmin(np.where(value > 0, value, np.nan), initial=np.inf) < np.inf:
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.9)  # from one dimension to all of them
            name_powers(axes.yaxis)
        axes.set(xlabel="order q: 0 counts every direction, 10 only the largest", ylabel="number of dimensions")

    caption = (
        "How many dimensions are in use, depending on how little a direction may carry to count: order 1 is the"
        " effective rank, order 2 the participation ratio. A line that drops at once has a few heavy directions."
    )
    return _plot("hill", "Dimensions in use", caption, (_FOUND, _PERFECT), fill, "number of dimensions over the order")


def _dimensions(drawing: Drawing) -> Plot:
    std = column(drawing["std"])
    parts = np.array_split(std, min(len(std), POINTS))
    low, high = (np.array([least(part) for part in parts]) for least in (np.min, np.max))
    edges = np.concatenate([[0], np.cumsum([len(part) for part in parts])])

    def fill(axes: Axes) -> None:
        axes.stairs(high, edges, fill=True, color=SERIES[0], alpha=0.55, linewidth=0)
        axes.stairs(low, edges, fill=True, color=SERIES[0], linewidth=0)
        axes.set(xlabel="dimension, as in the file", ylabel="standard deviation", xlim=(0, len(std)))
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))

    several = " Where a bar stands for several dimensions, the pale part reaches up to the largest of them."
    caption = (
        "How much each dimension varies. A gap is a dead dimension, and one bar far above the others a dimension that"
        " outweighs them in every distance." + (several if len(parts) < len(std) else "")
    )
    return _plot("dimensions", "Each dimension", caption, (_FOUND,), fill, "standard deviation of each dimension")


def _projection(drawing: Drawing, classes: list[str]) -> Plot:
    points = np.stack([column(drawing["x"]), column(drawing["y"])], 1)
    groups = None if drawing.get("label") is None else np.array(drawing["label"], dtype=np.int64)
    caption = (
        "Each dot is a row, on the two directions of most variance. Separate groups are clusters and a line is one"
        " direction; groups that overlap in two dimensions may be apart in the others." + edge_words(points)
    )
    panels = [cloud("projection", points, groups, what="rows")]
    return Plot("projection", "Projection", caption, _classes(groups, classes), panels)


def _classes(groups: Array | None, classes: list[str]) -> list[Key]:
    if groups is None:
        return []
    named = largest(groups)
    keys = [
        Key(
            classes[group] if 0 <= group < len(classes) else f"class {group}",
            variable(SERIES[at % len(SERIES)]),
            "dotted",
            number=str(at + 1),
        )
        for at, group in enumerate(named)
    ]
    rest = len(np.unique(groups)) - len(named)
    return keys + ([Key(f"{rest} smaller classes", variable(OTHER), "dotted")] if rest else [])


def _hubness(drawing: Drawing) -> Plot:
    count, rows, null = (column(drawing[name]) for name in ("count", "rows", "null"))

    def fill(axes: Axes) -> None:
        axes.plot(*_positive(count, rows), color=SERIES[0], linestyle="none", marker="o", markersize=4, alpha=0.8)
        axes.plot(*_positive(count, null), color=INK, linestyle="none", marker="x", markersize=5)
        axes.set_yscale("log")
        name_powers(axes.yaxis)
        axes.set(xlabel="times among the 10 nearest of another row", ylabel="rows")

    caption = (
        "How often a row is a neighbor of others. A few rows far to the right of the crosses are hubs: they turn up in"
        " every search, whatever is asked."
    )
    crosses = Key("Gaussian data of this spectrum (crosses)", variable(INK), "dotted")
    dots = Key("these embeddings", variable(SERIES[0]), "dotted")
    return _plot("hubness", "Hubs", caption, (dots, crosses), fill, "rows over how often they are neighbors")


def _positive(x: Array, y: Array) -> tuple[Array, Array]:
    return x[y > 0], y[y > 0]


def _spaced(count: int) -> Array:
    """At most POINTS positions of `count`, evenly spaced on a logarithmic axis, the first and the last among them."""
    if count <= POINTS:
        return np.arange(count)
    return np.unique(np.geomspace(1, count, POINTS).round().astype(int)) - 1


def _plot(name: str, title: str, caption: str, keys: tuple[Key, ...], fill: Callable[[Axes], None], label: str) -> Plot:
    drawn: Markup = svg(fill, prefix=name, label=f"{title}: {label}", size=SIZE)
    return Plot(name, title, caption, keys, [Panel("", drawn)])
