"""The picture of accuracy against processor seconds, from its result file: `python -m docs.build.quality`.

Writes docs/pictures/quality.svg.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean

from matplotlib.axes import Axes

from docs.build.pictures import on_its_own
from fullrank.report.draw.svg import OTHER, SERIES, svg

ROOT = Path(__file__).parents[2]
RESULT = ROOT / "docs" / "results" / "benchmarks" / "quality_per_minute.json"
PICTURE = ROOT / "docs" / "pictures" / "quality.svg"
COLORS = {"FullRank": SERIES[0], "lightly": OTHER}


def draw() -> str:
    """Curves of each seed, thin, and their mean, beside each other for both data sets."""
    results = json.loads(RESULT.read_text(encoding="utf-8"))

    def both(axes: Axes) -> None:
        axes.set_axis_off()
        for at, (name, races) in enumerate(results.items()):
            panel = axes.figure.add_axes((0.08 + 0.49 * at, 0.17, 0.4, 0.7))
            for who, color in COLORS.items():
                curves = [(race[who]["seconds"], race[who]["knn"]) for race in races]
                for seconds, knn in curves:
                    panel.plot(seconds, knn, color=color, linewidth=0.7, alpha=0.5)
                middle = [[mean(values) for values in zip(*part, strict=True)] for part in zip(*curves, strict=True)]
                panel.plot(*middle, "o-", color=color, linewidth=1.8, markersize=4)
                if at == 0:  # where the ends of both curves are apart
                    end = middle[0][-1], middle[1][-1]
                    panel.annotate(who, end, (5, -3), textcoords="offset points", fontsize=8, color=color)
            panel.set_title(name, fontsize=9, loc="left")
            panel.set_xlabel("processor seconds of training")
            panel.set_ylabel("kNN accuracy" if at == 0 else "")
            panel.set_xlim(-0.5, (1.28 if at == 0 else 1.05) * max(races[0]["FullRank"]["seconds"]))

    label = "kNN accuracy against processor seconds of SimCLR by FullRank and by lightly, on two data sets, three seeds"
    return on_its_own(str(svg(both, prefix="quality", label=label, size=(7.2, 2.9))))


if __name__ == "__main__":
    PICTURE.write_text(draw(), encoding="utf-8")
