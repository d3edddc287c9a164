"""The first table and picture of the README, from cells of the bench in color: `python -m docs.build.color`.

Writes docs/pictures/color.svg, and the table between the two marks in README.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes

from docs.build.bench import Cell, read
from docs.build.marks import between
from docs.build.numbers import verdicts, with_interval
from docs.build.pictures import on_its_own
from fullrank.papers.kit.parts import interval
from fullrank.report.draw.svg import OTHER, SERIES, svg

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "docs" / "results" / "bench"
SET = "sprites-32-minute"
ROWS = {  # of the table, from the worst to be expected
    "invariance": "`invariance`: views attract, nothing keeps images apart",
    "untrained": "no training",
    "pixels": "raw pixels",
    "byol": "`byol`",
    "vicreg": "`vicreg`",
    "corinfomax": "`corinfomax`",
    "simclr": "`simclr`",
    "intl": "`intl`",
    "directclr": "`directclr`",
    "imagenet": "EfficientNet-lite0, trained on the labels of ImageNet",
}
_WHY = {"invariance": "nothing keeps images apart", "byol": "few directions"}
BEGIN, END = "<!-- python -m docs.build.color -->\n", "<!-- end -->\n"


def table() -> str:
    """The rows in Markdown."""
    lines = [
        "| | seeds | kNN | linear probe | effective rank | relative spread | so the embedding is |",
        "|---" * 7 + "|",
    ]
    for name, title in ROWS.items():
        cells = _cells(name)
        known = [cell["embedding"] for cell in cells if "embedding" in cell]
        numbers = ["", "", ""]
        if known:
            rank = mean(one["effective_rank"] for one in known)
            numbers = [f"{rank:.0f} of {known[0]['dims']}", f"{mean(one['relative_spread'] for one in known):.2f}"]
            numbers.append(verdicts(known))
        accuracies = " | ".join(with_interval([float(cell[key]) for cell in cells], 2) for key in ("knn", "linear"))
        lines.append(f"| {title} | {len(cells)} | {accuracies} | {' | '.join(numbers)} |")
    return "\n".join(lines) + "\n"


def _cells(name: str) -> list[Cell]:
    return [cell for cell in read(RESULTS / SET)[1] if cell["name"] == name]


def _ends(cells: Sequence[Cell]) -> tuple[float, float]:
    scores = [float(cell["knn"]) for cell in cells]
    return interval(scores) or (mean(scores), mean(scores))


def draw() -> str:
    """The picture as SVG that follows a light or dark page: rank and accuracy of each recipe, the collapse in color."""

    def both(axes: Axes) -> None:
        axes.set_position((0.1, 0.23, 0.86, 0.73))
        for name in ROWS:
            cells = _cells(name)
            ranks = [cell["embedding"]["effective_rank"] for cell in cells if "embedding" in cell]
            middle, ends = mean(float(cell["knn"]) for cell in cells), _ends(cells)
            if not ranks:
                axes.axhline(middle, color=OTHER, linewidth=0.8, linestyle="--")
                axes.axhspan(*ends, color=OTHER, alpha=0.12, linewidth=0)
                words = {"untrained": "no training", "pixels": "raw pixels", "imagenet": "ImageNet, with labels"}[name]
                shift = (0, -9 if name == "pixels" else 3)
                axes.annotate(words, (330, middle), shift, textcoords="offset points", ha="right", fontsize=8)
                continue
            states = {cell["embedding"]["verdict"] for cell in cells}
            color = SERIES[0] if states == {"collapsed"} else OTHER
            axes.plot([mean(ranks)] * 2, ends, color=color, linewidth=1.5)
            axes.plot(mean(ranks), middle, "o", color=color, markersize=6)
            state = f", {states.pop()}" if len(states) == 1 else ""
            said = f"{name}{state}: {_WHY[name]}" if name in _WHY else name
            shift = {"vicreg": (7, -11), "directclr": (5, 4), "corinfomax": (5, -9)}.get(name, (7, -3))
            axes.annotate(said, (mean(ranks), middle), shift, textcoords="offset points", fontsize=8)
        axes.set_xscale("log")
        axes.set_xlim(0.8, 340)
        axes.set_xticks([1, 4, 16, 64, 256], ["1", "4", "16", "64", "256"])
        axes.minorticks_off()
        seeds = 1 + max(cell["seed"] for cell in _cells("invariance"))
        axes.set_xlabel(
            "effective rank of the embedding, of 256 (corinfomax of 64, directclr of 90)\n"
            f"bars and the band: 95 % intervals over {seeds} seeds, on sprites of figures that no training saw"
        )
        axes.set_ylabel("kNN accuracy")

    label = "kNN accuracy against effective rank of recipes on color sprites; those that collapse are low in both"
    drawn = str(svg(both, prefix="color", label=label, size=(6.6, 3.6)))
    return on_its_own(drawn)


def filled(readme: str) -> str:
    """The README with the table of today."""
    return between(readme, BEGIN, END, table())


if __name__ == "__main__":
    (ROOT / "docs" / "pictures" / "color.svg").write_text(draw(), encoding="utf-8")
    (ROOT / "README.md").write_text(filled((ROOT / "README.md").read_text(encoding="utf-8")), encoding="utf-8")
