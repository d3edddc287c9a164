"""Line drawings with one axis style: steps or dimensions across, a linear or a logarithmic value upwards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from fullrank.report.draw.svg import INK, SERIES, svg
from fullrank.runs.samples import Array

SIZE = (4.6, 2.9)  # inches
POINTS = 400  # of one line; more cannot be seen
GAP = 0.07  # of the height, between two numbers
FLOOR = 1e-10  # of the largest value of a logarithmic drawing; below is rounding


@dataclass(frozen=True)
class Panel:
    """One drawing of a figure and the words above it."""

    title: str
    svg: Markup


@dataclass(frozen=True)
class Line:
    """One line of run number `run` (from 0); x and y are (n,), with NaN where nothing is known."""

    x: Array
    y: Array
    run: int
    dashed: bool = False
    opacity: float = 1.0


def column(values: Iterable[float | None]) -> Array:
    """Numbers as float64, None as NaN.

    >>> column([1, None])
    array([ 1., nan])
    """
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def spectrum(eigenvalues: Array, run: int, opacity: float = 1.0) -> Line:
    """Descending eigenvalues (D,) over 1 to D; what is not positive has no logarithm and is left out."""
    x = np.arange(1, len(eigenvalues) + 1)
    return Line(x, np.where(eigenvalues > 0, eigenvalues, np.nan), run, opacity=opacity)


def panel(
    name: str,
    title: str,
    unit: str,
    lines: Sequence[Line],
    *,
    across: str = "step",
    limits: tuple[float | None, float | None] = (None, None),
    log: bool = False,
    level: float | None = None,
) -> Panel | None:
    """The lines in one drawing, and a dashed one across it at `level`; None where there is nothing to draw."""
    shown = [line for line in lines if np.isfinite(line.y).any()]
    if not lines or not (shown or log):
        return None

    def draw(axes: Axes) -> None:
        for line in shown:
            _draw(axes, line)
        if level is not None:
            axes.axhline(level, color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
        axes.set_xlabel(across)
        axes.set_ylabel(unit)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        if log:
            _logarithmic(axes, shown)
        axes.set_ylim(bottom=limits[0], top=limits[1])
        if len({line.run for line in shown}) > 1:
            _number(axes, shown)

    label = f"{title}: {unit} over {across}"
    return Panel(title, svg(draw, prefix=name, label=label, size=SIZE))


def _draw(axes: Axes, line: Line) -> None:
    known = np.flatnonzero(np.isfinite(line.y))
    chosen = known[np.unique(np.linspace(0, len(known) - 1, POINTS).round().astype(int))]
    axes.plot(
        line.x[chosen],
        line.y[chosen],
        color=SERIES[line.run],
        alpha=line.opacity,
        linewidth=1.6,
        linestyle=(0, (4, 2)) if line.dashed else "solid",
        marker="o" if len(chosen) == 1 else None,  # a line of one point would not be seen
        markersize=4,
    )


def _logarithmic(axes: Axes, lines: Sequence[Line]) -> None:
    if not lines:
        axes.text(0.5, 0.5, "no eigenvalue above zero", transform=axes.transAxes, ha="center", va="center")
        axes.set_yticks([])
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_ylim(bottom=max(low, high * FLOOR))
    name_powers(axes.yaxis)


def name_powers(axis: Axis) -> None:
    """Name the powers of ten on a logarithmic axis, or 1, 2 and 5 times them where there are too few."""
    low, high = sorted(axis.get_view_interval())
    narrow = high < 100 * low
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}" if narrow else power(value)))
    axis.set_minor_formatter(NullFormatter())


def power(value: float) -> str:
    """A power of ten for people.

    >>> power(0.001)
    '10⁻³'
    """
    exponent = str(round(np.log10(value)))
    return "10" + exponent.translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _number(axes: Axes, lines: Sequence[Line]) -> None:
    """The number of each run where its lines end or leave the drawing, moved apart where they end together."""
    bottom = axes.get_ylim()[0]
    ends: list[tuple[float, int, float]] = []  # height, run, right end
    for line in lines:
        last = max(np.flatnonzero(line.y >= bottom), default=0)
        x, y = axes.transAxes.inverted().transform(axes.transData.transform((line.x[last], line.y[last])))
        if not any(run == line.run and abs(y - other) < GAP for other, run, _ in ends):
            ends.append((y, line.run, x))
    ends.sort()
    places = apart([y for y, _, _ in ends])
    for at, ((_, run, x), y) in enumerate(zip(ends, places, strict=True)):
        text = axes.text(x + 0.015, y, str(run + 1), transform=axes.transAxes, weight="bold", va="center")
        text.set(color=SERIES[run], gid=f"halo-{at}")


def apart(heights: Sequence[float], gap: float = GAP) -> list[float]:
    """Ascending heights, moved as little as it takes to stand a gap apart, and below 1 where there is room.

    >>> apart([0.5, 0.5, 1.0], gap=0.25)
    [0.5, 0.75, 1.0]
    """
    placed: list[float] = []
    for height in heights:
        placed.append(max(height, placed[-1] + gap) if placed else height)
    ceiling = 1.0
    for at in reversed(range(len(placed))):
        placed[at] = min(placed[at], ceiling)
        ceiling = placed[at] - gap
    return placed
