"""Write docs/results/settings/README.md, the tables of what the chosen settings were measured on.

python -m docs.build.settings > docs/results/settings/README.md
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parents[1] / "results" / "settings" / "trainings.jsonl"
SETS = {
    "photographs": "312 crops of 26 Debian wallpapers, a class each, 48 px",
    "digits": "1,397 of scikit-learn's digits, 8 px",
    "sprites": "5,711 color sprites of 21 races, 32 px, with their test set",
}
HEAD = """# What the chosen settings were measured on

`python -m benchmarks.settings` wrote trainings.jsonl: one seed, one CPU core. The rules are in
[settings.md](../../settings.md).
"""


def page() -> str:
    """The page."""
    rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    tables = [_table(about, [row for row in rows if row["training"][0] == name]) for name, about in SETS.items()]
    return "\n".join([HEAD, *tables])


def _table(about: str, rows: list[dict[str, Any]]) -> str:
    lines = [
        f"## {about[0].upper()}{about[1:]}\n",
        "| encoder | image size | recipe | batch size | learning rate | steps | CPU-seconds | kNN | linear |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    encoders = dict.fromkeys((row["training"][-1], row["training"][5]) for row in rows)
    for encoder, size in encoders:
        those = [row for row in rows if (row["training"][-1], row["training"][5]) == (encoder, size)]
        about_it = f"| `{encoder}` | {size or 'its own'} |"
        untrained = (f"{those[0][f'untrained_{score}']:.3f}" for score in ("knn", "linear"))
        lines.append(f"{about_it} untrained | | | | | {' | '.join(untrained)} |")
        for row in those:
            _, recipe, batch, lr, steps, *_ = row["training"]
            cells = [recipe, batch, f"{lr:g}", steps, row["cpu_seconds"], f"{row['knn']:.3f}", f"{row['linear']:.3f}"]
            lines.append(f"{about_it} {' | '.join(map(str, cells))} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
