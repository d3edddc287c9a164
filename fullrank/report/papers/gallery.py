"""The papers' experiments as pictures: one figure of each result.json, and a gallery of all; imports no torch."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fullrank.errors import UserError
from fullrank.report.draw.lines import name_powers
from fullrank.report.draw.svg import INK, SERIES, svg
from fullrank.report.html import render
from fullrank.report.numbers import cell
from fullrank.runs import read_json, replace

VERDICTS = ("held", "undecided", "reversed", "fails")
_WIDTH, _HEIGHT, _ROW = 4.6, 3.2, 0.19  # inches: of a panel, without its legend, and of a legend's row
_GAP = 12.0  # points between two panels of a figure


@dataclass(frozen=True)
class Finding:
    """One result.json: the experiment, its outcome, and its panels as inline SVG."""

    name: str
    content: Mapping[str, Any]
    panels: Sequence[Markup]

    @property
    def parts(self) -> list[str]:
        """What came out, part by part."""
        return [said(part) for part in self.content["parts"]]

    @property
    def table(self) -> list[list[str]]:
        """The rows with their header first; numbers to four digits."""
        rows = self.content["rows"]
        return [list(rows[0]), *([cell(value) for value in row.values()] for row in rows)] if rows else []


def read_finding(path: Path) -> Finding:
    """Read and draw a result.json that `fullrank paper` wrote; another file raises a UserError."""
    content = read_json(path)
    try:
        if content["verdict"] not in VERDICTS:
            raise ValueError(f"verdict {content['verdict']!r}; `fullrank paper --judge DIR` renews older ones")
        name, _ = str(content["name"]), [said(part) for part in content["parts"]]
        prefix = re.sub(r"\W", "-", name)
        panels = [_panel(panel, f"{prefix}-{at}") for at, panel in enumerate(content["panels"])]
        return Finding(name, content, panels)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path} is not a result of an experiment ({error}): run `fullrank paper` again.") from error


def write_figure(result: Path, out: Path) -> Path:
    """One SVG file with all panels of a result.json, on its own paper, light or dark as the reader prefers."""
    panels = read_finding(result).panels
    style = (Path(__file__).parents[1] / "style.css").read_text(encoding="utf-8")
    colors = "\n".join(re.findall(r"^:root \{.*?^\}|^@media screen.*?^\}", style, flags=re.DOTALL | re.MULTILINE))
    columns = 1 if len(panels) == 1 else 2
    placed, top, width = [], _GAP, 72 * _WIDTH
    for at in range(0, len(panels), columns):
        row = panels[at : at + columns]
        for column, panel in enumerate(row):
            left = _GAP + column * (width + _GAP)
            place = f"<svg x='{left:g}' y='{top:g}' width='{width:g}' height='{_height(panel):g}' "
            placed.append(panel.replace("<svg ", Markup(place), 1))
        top += max(map(_height, row)) + _GAP
    right = _GAP + columns * (width + _GAP)
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right:g}pt" height="{top:g}pt" '
        f'viewBox="0 0 {right:g} {top:g}">\n<style>{colors}\ntext {{ font-family: system-ui, sans-serif; }}</style>\n'
        f'<rect width="100%" height="100%" style="fill: var(--card)"/>\n' + "\n".join(placed) + "\n</svg>\n"
    )
    replace(out, lambda beside: beside.write_text(text, encoding="utf-8"))
    return out


def write_gallery(results: Sequence[Path], out: Path) -> Path:
    """One HTML page about the result.json files of many experiments, complete or not there."""
    if not results:
        raise UserError("No experiment to show: run `fullrank paper NAME` first.")
    tested = sorted((read_finding(path) for path in results), key=lambda one: one.name)
    page = render("papers/gallery.html.j2", {"tested": tested, "answer": _answer(tested)})
    replace(out, lambda beside: beside.write_text(page, encoding="utf-8"))
    return out


def _answer(tested: Sequence[Finding]) -> str:
    count = Counter(one.content["verdict"] for one in tested)
    parts = [f"{count[verdict]} {verdict}" for verdict in VERDICTS if count[verdict]]
    return f"{len(tested)} claim{'s' * (len(tested) > 1)} tested: {', '.join(parts)}."


def said(part: Mapping[str, Any]) -> str:
    """A part of a claim in words: the label, what it says, the effect and its interval, and where it is said.

    >>> said({"label": "held", "says": "rank: higher", "kind": "more", "effect": 2.0, "low": 1.0, "high": 3.0,
    ...     "margin": 0.5, "unit": "points", "seeds": 3, "source": "paper"})
    'held: rank: higher (2 points [1, 3], margin 0.5, 3 seeds; paper)'
    """
    return f"{part['label']}: {part['says']} ({effect(part)}; {part['source']})"


def effect(part: Mapping[str, Any]) -> str:
    """The effect of a part with its unit, interval, margin and number of seeds; of exact ones the worst value."""
    if part["kind"] == "exact":
        return f"exact, {part['effect'] + 0.0:.3g} to spare"
    unit = f" {part['unit']}" if part["unit"] else ""
    if part["low"] is None:
        return f"{part['effect']:.3g}{unit}, one seed"
    within = f"{part['effect']:.3g}{unit} [{part['low']:.3g}, {part['high']:.3g}]"
    small = part["label"] == "undecided" and max(-part["low"], part["high"]) <= part["margin"]
    return f"{within}, margin {part['margin']:g}, {part['seeds']} seeds{', too small to matter' if small else ''}"


def _height(panel: Markup) -> float:
    box = re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', panel)
    assert box is not None  # ours
    return float(box[1])


def _panel(panel: Mapping[str, Any], prefix: str) -> Markup:
    """One panel of a result.json, its title and its legend included."""
    labels = list(dict.fromkeys(series["label"] for series in panel["series"]))
    columns = 2 if max(map(len, labels), default=0) <= 28 else 1
    rows = math.ceil(len(labels) / columns)
    height = _HEIGHT + rows * _ROW
    colored = [
        label
        for label in labels
        if any(series["label"] == label and series["style"] != "expected" for series in panel["series"])
    ]

    def draw(axes: Axes) -> None:
        unit = textwrap.fill(panel["y_label"], 40)
        left = 0.2 if "\n" in unit else 0.16
        axes.figure.subplots_adjust(left=left, top=1 - 0.3 / height, bottom=(0.55 + rows * _ROW) / height)
        for series in panel["series"]:
            at = colored.index(series["label"]) if series["label"] in colored else 0
            _draw(axes, series, INK if series["style"] == "expected" else SERIES[at % len(SERIES)])
        axes.set_title(panel["title"], loc="left", fontsize=10, fontweight="bold")
        axes.set_xlabel(panel["x_label"])
        axes.set_ylabel(unit)
        _ticks(axes, panel)
        drawn = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
        shown = {label: drawn[label] for label in sorted(labels, key=lambda label: label not in colored)}
        below = (0.5, -0.44 / (height - 0.85 - rows * _ROW))
        axes.legend(
            shown.values(), shown.keys(), loc="upper center", bbox_to_anchor=below, ncol=columns, frameon=False,
            fontsize=8, borderaxespad=0, labelspacing=0.35,
        )  # fmt: skip

    label = f"{panel['title']}: {panel['y_label']} over {panel['x_label']}"
    return svg(draw, prefix=prefix, label=label, size=(_WIDTH, height))


def _draw(axes: Axes, series: Mapping[str, Any], color: str) -> None:
    y = [math.nan if value is None else float(value) for value in series["y"]]
    x = [float(value) for value in series["x"]]
    if len(x) != len(y):
        raise ValueError(f"{len(x)} values of x and {len(y)} of y")
    if series["style"] == "points":
        axes.plot(x, y, "o", color=color, markersize=4.5, alpha=0.75, label=series["label"])
    elif series["style"] == "expected":
        axes.plot(x, y, color=color, linewidth=1.2, linestyle=(0, (4, 2)), label=series["label"], zorder=3)
    elif series["style"] == "line":
        axes.plot(x, y, color=color, linewidth=1.6, marker="o" if len(x) < 20 else None, markersize=3,
                  label=series["label"])  # fmt: skip
    else:
        raise ValueError(f"style {series['style']!r}")


def _ticks(axes: Axes, panel: Mapping[str, Any]) -> None:
    for axis, log, scale in (
        (axes.xaxis, panel["log_x"], axes.set_xscale),
        (axes.yaxis, panel["log_y"], axes.set_yscale),
    ):
        if log:
            scale("log")
            name_powers(axis)
        else:
            axis.set_major_locator(MaxNLocator(nbins=6))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}".replace("-", "−")))
    if panel["x_names"]:
        letters = min(13, 65 // len(panel["x_names"]))  # that fit below one column
        names = [textwrap.fill(name, letters, break_long_words=False) for name in panel["x_names"]]
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
