"""The two-dimensional projection: one dot per image, colored and numbered by class."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from fullrank.report.draw.lines import Panel
from fullrank.report.draw.svg import OTHER, SERIES, svg
from fullrank.runs.samples import Array

SIZE = (5.4, 4.2)  # inches
NAMED = 20  # classes with a color and a number of their own
REACH = 4.0  # of the range of the middle 80 %, beyond it: 11 standard deviations where dots are Gaussian


def largest(groups: Array) -> Array:
    """The labels, ascending, of the classes (at most NAMED) with the most points of groups (n,).

    >>> largest(np.array([7, 3, 3]))
    array([3, 7])
    """
    classes, counts = np.unique(groups, return_counts=True)
    return np.sort(classes[np.argsort(-counts, kind="stable")][:NAMED])


def at_edge(points: Array) -> Array:
    """Points (n, 2), with those so far out that the others would be one dot moved to the edge of the drawing.

    >>> at_edge(np.stack([np.r_[0:99, 1e6], np.zeros(100)], 1))[-1].round().tolist()
    [406.0, 0.0]
    """
    low, high = np.quantile(points, [0.1, 0.9], axis=0)
    room = np.where(high > low, REACH * (high - low), np.inf)
    return np.clip(points, low - room, high + room)


def edge_words(points: Array) -> str:
    """What a caption says about the points (n, 2) that `at_edge` moves; nothing where there are none.

    >>> edge_words(np.zeros((3, 2)))
    ''
    """
    moved = int((at_edge(points) != points).any(1).sum())
    are = "dot lies" if moved == 1 else "dots lie"
    return f" {moved:,} {are} too far out to be shown in place, and at the edge here." if moved else ""


def cloud(name: str, points: Array, groups: Array | None, *, what: str = "images") -> Panel:
    """The points (n, 2) in the colors of their groups (n,), with the class numbers at the medians."""
    labels = np.zeros(len(points), dtype=int) if groups is None else groups
    points = at_edge(points)
    named = largest(labels)

    def draw(axes: Axes) -> None:
        _dots(axes, points[~np.isin(labels, named)], OTHER)
        for at, group in enumerate(named):
            _dots(axes, points[labels == group], SERIES[at % len(SERIES)])
        for at, group in enumerate(named if groups is not None else ()):
            x, y = np.median(points[labels == group], axis=0)
            axes.text(x, y, str(at + 1), ha="center", va="center", size=10, weight="bold", gid=f"halo-{at}")
        axes.set_xlabel("first direction of the projection (no unit)")
        axes.set_ylabel("second direction (no unit)")
        axes.set(xticks=[], yticks=[], position=(0.05, 0.06, 0.94, 0.93))
        axes.set_aspect("equal", adjustable="datalim")
        axes.margins(0.04)
        axes.autoscale_view()

    label = f"Projection of {len(points)} {what} to the plane{', colored by class' if groups is not None else ''}"
    return Panel("", svg(draw, prefix=name, label=label, size=SIZE))


def _dots(axes: Axes, points: Array, color: str) -> None:
    """Lines of no length with round ends: one path for thousands of dots keeps the page small."""
    path = Path(np.repeat(points, 2, axis=0), np.tile([Path.MOVETO, Path.LINETO], len(points)))
    path.should_simplify = False
    axes.add_patch(PathPatch(path, fill=False, edgecolor=color, alpha=0.7, linewidth=3, capstyle="round"))
