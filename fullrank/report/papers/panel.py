"""One panel of a result.json as inline SVG: seeds that belong together are linked, and means have their interval."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import mean, stdev
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fullrank.report.draw.lines import name_powers
from fullrank.report.draw.svg import INK, SERIES, svg

WIDTH = 4.6  # inches of a panel
_HEIGHT, _ROW, _LINE = 3.2, 0.19, 0.19  # of a panel without its legend, of a row of it, of a line of a name; inches
_OF_OURS = ("line", "points")  # measured, and so in colors
_DASHES: Mapping[str, Any] = {"expected": (0, (4, 2)), "threshold": ":"}
_LINK: Mapping[str, Any] = {"linewidth": 0.7, "alpha": 0.35, "zorder": 1.5}
_INTERVAL, _MEAN, _SEED = "mean, 95 % interval", "mean of the seeds", "one seed"
_TICKS = 8  # measured places that are all named, if their names have room
_AXIS, _LETTER, _GAP = 3.5, 0.08, 0.08  # of an axis, of a letter of a name, and between names; inches

Panel = Mapping[str, Any]
Place = tuple[float, float]
Columns = list[tuple[float, list[float]]]  # values at each x, in the order of the seeds


def drawn(panel: Panel, prefix: str) -> Markup:
    """One panel of a result.json, its title and its legend included; ids get the prefix."""
    colored = list(dict.fromkeys(one["label"] for one in panel["series"] if one["style"] in _OF_OURS))
    others = [one["label"] for one in panel["series"] if one["label"] not in colored]
    labels = [_shown(panel, label) for label in dict.fromkeys([*colored, *others])]
    links = _links(panel)
    proxies = {_SEED: Line2D([], [], color=INK, **_LINK)} if links else {}
    if _repeated(panel) and _INTERVAL not in labels:
        proxies[_INTERVAL] = Line2D([], [], color=INK, linestyle="none", marker="_", markersize=9)
    if _curves(panel) and not _repeated(panel):
        proxies[_MEAN] = Line2D([], [], color=INK, linewidth=1.6)
    labels += proxies
    columns = 2 if max(map(len, labels), default=0) <= 28 else 1
    rows = math.ceil(len(labels) / columns)
    names = _case_names(panel)
    below = rows * _ROW + _LINE * max([0, *(name.count("\n") - 1 for name in names)])  # two lines have room
    height = _HEIGHT + below

    def draw(axes: Axes) -> None:
        unit = textwrap.fill(panel["y_label"], 40)
        left = 0.2 if "\n" in unit else 0.16
        axes.figure.subplots_adjust(left=left, top=1 - 0.3 / height, bottom=(0.55 + below) / height)
        for series in panel["series"]:
            at = colored.index(series["label"]) if series["label"] in colored else 0
            _draw(axes, series, SERIES[at % len(SERIES)], panel)
        for through, of in links:
            _through(axes, through, INK if of is None else SERIES[colored.index(of) % len(SERIES)])
        _intervals(axes, panel, colored)
        axes.set_title(panel["title"], loc="left", fontsize=10, fontweight="bold")
        axes.set_xlabel(panel["x_label"])
        axes.set_ylabel(unit)
        _ticks(axes, panel, names)
        handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True)) | proxies
        down = -(0.44 + below - rows * _ROW) / (height - 0.85 - below)
        axes.legend(
            [handles[label] for label in labels], labels, loc="upper center", bbox_to_anchor=(0.5, down), ncol=columns,
            frameon=False, fontsize=8, borderaxespad=0, labelspacing=0.35,
        )  # fmt: skip

    label = f"{panel['title']}: {panel['y_label']} over {panel['x_label']}"
    return svg(draw, prefix=prefix, label=label, size=(WIDTH, height))


def _shown(panel: Panel, label: str) -> str:
    return _INTERVAL if label == "mean" and _means(panel) else label


def _means(panel: Panel) -> bool:
    """Whether the panel has cases side by side, whose means a line would join although nothing lies between them."""
    return bool(panel["x_names"]) and len(_points(panel)) == 1


def _places(series: Mapping[str, Any]) -> list[Place]:
    y = [math.nan if value is None else float(value) for value in series["y"]]
    x = [float(value) for value in series["x"]]
    if len(x) != len(y):
        raise ValueError(f"{len(x)} values of x and {len(y)} of y")
    return list(zip(x, y, strict=True))


def _draw(axes: Axes, series: Mapping[str, Any], color: str, panel: Panel) -> None:
    places, style = _places(series), series["style"]
    x, y = [at for at, _ in places], [value for _, value in places]
    if style == "points":
        axes.plot(x, y, "o", color=color, markersize=4.5, alpha=0.75, label=series["label"])
    elif style in _DASHES:
        axes.plot(x, y, color=INK, linewidth=1.2, linestyle=_DASHES[style], label=series["label"], zorder=3)
    elif style == "line" and series["label"] == "mean" and _means(panel):
        _bars(axes, x, y, panel, color)
    elif style == "line":
        apart = bool(panel["x_names"])  # cases have nothing between them that a line could pass
        axes.plot(x, y, color=color, linewidth=1.6, linestyle="none" if apart else "-",
                  marker="o" if apart or len(x) < 20 else None, markersize=3, label=series["label"])  # fmt: skip
    else:
        raise ValueError(f"style {style!r}")


def _bars(axes: Axes, x: Sequence[float], y: Sequence[float], panel: Panel, color: str) -> None:
    """The mean of each case beside its seeds, with the interval of Student's t."""
    (seeds,) = map(_by_x, _points(panel))
    reach = [_reach(seeds.get(at, [])) for at in x]
    beside = [at + 0.12 for at in x]
    axes.errorbar(beside, y, yerr=reach, fmt="_", color=color, markersize=9, linewidth=1.4, capsize=3, label=_INTERVAL)


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if math.isfinite(value)]


def _reach(values: Sequence[float]) -> float:
    """Half of the 95 % interval for the mean; 0 of fewer than two values."""
    from scipy.special import stdtrit

    values = _known(values)
    if len(values) < 2:
        return 0.0
    return float(stdtrit(len(values) - 1, 0.975)) * stdev(values) / math.sqrt(len(values))


def _by_x(series: Mapping[str, Any]) -> dict[float, list[float]]:
    """The values of a series at each x, in the order of the seeds; where one is missing it is NaN."""
    found: dict[float, list[float]] = {}
    for x, y in _places(series):
        found.setdefault(x, []).append(y)
    return found


def _points(panel: Panel) -> list[Mapping[str, Any]]:
    return [one for one in panel["series"] if one["style"] == "points"]


def _repeated(panel: Panel) -> bool:
    """Whether some place has a value of several seeds."""
    return any(len(_known(seeds)) > 1 for one in _points(panel) for seeds in _by_x(one).values())


def _curves(panel: Panel) -> set[str]:
    """The series of points that a line of their means goes through."""
    lines = {one["label"] for one in panel["series"] if one["style"] == "line"}
    return lines & {one["label"] for one in _points(panel)}


def _intervals(axes: Axes, panel: Panel, colored: Sequence[str]) -> None:
    """The mean of the seeds at each place of each series, and its interval; cases side by side have theirs already."""
    for one in [] if _means(panel) else _points(panel):
        color = SERIES[colored.index(one["label"]) % len(SERIES)]
        for x, seeds in _by_x(one).items():
            known = _known(seeds)
            if len(known) > 1:
                axes.errorbar([x], [mean(known)], yerr=_reach(known), fmt="_", color=color, linewidth=1.2, capsize=3)


def _links(panel: Panel) -> list[tuple[Columns, str | None]]:
    """What the line of each seed goes through: the series within a case, or the places of a series, with its label."""
    points = _points(panel)
    found: list[tuple[Columns, str | None]]
    if panel["x_names"] and len(points) > 1:
        columns = [(x, seeds) for one in points for x, seeds in _by_x(one).items()]
        cases = range(len(panel["x_names"]))
        found = [(sorted((x, seeds) for x, seeds in columns if round(x) == case), None) for case in cases]
    else:
        labels = [None if panel["x_names"] else one["label"] for one in points]
        found = [(sorted(_by_x(one).items()), of) for one, of in zip(points, labels, strict=True)]
    # Where places have unlike numbers of values, or every value a place of its own, seeds cannot be told.
    alone = _curves(panel) if not _repeated(panel) else set()
    found = [one for one in found if one[1] not in alone]
    return [one for one in found if len(one[0]) > 1 and len({len(seeds) for _, seeds in one[0]}) == 1]


def _through(axes: Axes, columns: Columns, color: str) -> None:
    for seed in range(len(columns[0][1])):
        axes.plot([x for x, _ in columns], [seeds[seed] for _, seeds in columns], color=color, **_LINK)


def _case_names(panel: Panel) -> list[str]:
    """The names of the cases, in lines that fit below their columns."""
    cases = max(1, len(panel["x_names"]))
    letters = max(1, min(13, 45 // cases))
    return [textwrap.fill(name, letters, break_long_words=False) for name in panel["x_names"]]


def _ticks(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    for axis, log, scale in (
        (axes.xaxis, panel["log_x"], axes.set_xscale),
        (axes.yaxis, panel["log_y"], axes.set_yscale),
    ):
        if log:
            scale("log")
            name_powers(axis)
        else:
            axis.set_major_locator(MaxNLocator(nbins=6))
            axis.set_major_formatter(FuncFormatter(lambda value, _: _number(value)))
    places = _measured(panel)
    if places and not names:
        axes.set_xticks(places, [*map(_number, places)])
        axes.minorticks_off()
    if names:
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)


def _number(value: float) -> str:
    return f"{value:,.6g}".replace("-", "−")


def _measured(panel: Panel) -> list[float]:
    """The places of the points, where they are few and lie so far apart that all can be named."""
    found = sorted({x for one in _points(panel) for x, _ in _places(one)})
    if not 2 <= len(found) <= _TICKS or (panel["log_x"] and found[0] <= 0):
        return []
    at = [math.log(value) for value in found] if panel["log_x"] else found
    room = _GAP + _LETTER * max(len(_number(value)) for value in found)
    return found if min(b - a for a, b in pairwise(at)) * _AXIS >= room * (at[-1] - at[0]) else []
