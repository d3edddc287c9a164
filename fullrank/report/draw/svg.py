"""One matplotlib drawing as inline SVG whose colors are the page's CSS variables."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from typing import Any

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Drawn in colors that nothing else uses, which the page then replaces by its variables.
INK, GRID = "#0000f1", "#0000f2"
SERIES = tuple(f"#0000e{number}" for number in range(1, 9))
OTHER = "#0000f3"


def variable(color: str) -> str:
    """The CSS variable that stands for a drawing color.

    >>> variable(SERIES[0])
    'var(--s1)'
    """
    names = {INK: "ink", GRID: "grid", OTHER: "other"}
    return f"var(--{names[color]})" if color in names else f"var(--s{SERIES.index(color) + 1})"


def svg(draw: Callable[[Axes], None], *, prefix: str, label: str, size: tuple[float, float]) -> Markup:
    """Let `draw` fill a pair of axes of `size` inches, and return the inline SVG.

    Every id gets the prefix; `label` is what a screen reader says.
    """
    buffer = StringIO()
    with matplotlib.rc_context(_style()):
        figure = Figure(figsize=size)
        figure.patch.set_visible(False)
        figure.subplots_adjust(left=0.14, right=0.96, bottom=0.15, top=0.96)  # the same for all: axes line up
        draw(figure.add_subplot())
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(buffer, format="svg", metadata=nothing)
    return _inline(buffer.getvalue(), prefix, label)


def _style() -> dict[Any, Any]:
    return {
        "svg.fonttype": "none",
        "svg.hashsalt": "fullrank",  # the same run gives the same bytes
        "text.usetex": False,
        "text.parse_math": False,
        "font.family": ["DejaVu Sans"],  # comes with matplotlib; the page shows its own font
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "xtick.color": GRID,
        "ytick.color": GRID,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "ytick.minor.size": 0,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.edgecolor": GRID,
        "axes.facecolor": "none",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "axes.formatter.use_mathtext": False,
        "grid.color": GRID,
        "grid.linewidth": 0.6,
        "savefig.bbox": "standard",
        "savefig.transparent": False,
    }


def _inline(text: str, prefix: str, label: str) -> Markup:
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    box = re.search(r'viewBox="[^"]*"', text)
    assert box is not None  # matplotlib always writes one
    text = re.sub(r"<svg[^>]*>", lambda _: f"<svg {box[0]} role='img' aria-label=LABEL>", text, count=1)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{prefix}-", text)
    for color in (INK, GRID, OTHER, *SERIES):
        text = text.replace(color, variable(color))
    text = re.sub(r"<[^>]+>", _shorter, text)
    text = re.sub(r"\s*\n\s*", "\n", text).strip()
    return Markup(text.replace("aria-label=LABEL", f'aria-label="{escape(label)}"', 1))


def _shorter(tag: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point, finer than any screen; what is written between tags stays."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag.group())
