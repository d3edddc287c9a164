"""Writes the table of docs/how/weights.md about pretrained weights: `python -m docs.build.pretrained`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.build.marks import between
from docs.build.numbers import with_interval

DOCS = Path(__file__).parents[1]
PAGE = DOCS / "how" / "weights.md"
RESULTS = DOCS / "results" / "pretrained" / "trainings.jsonl"
BEGIN, END = "<!-- written by docs/build/pretrained.py -->\n", "<!-- until here -->\n"


def table() -> str:
    """A line for each kind of training, its seeds together."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for line in RESULTS.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        kind = {name: value for name, value in row["training"].items() if name != "seed"}
        kinds.setdefault(json.dumps(kind), []).append(row)
    lines = [
        "| encoder | statistics of batch norm | learning rate | seeds | kNN | linear |",
        "|---|---|---|---|---|---|",
    ]
    for rows in sorted(kinds.values(), key=lambda rows: _order(rows[0]["training"])):
        scores = [with_interval([row[score] for row in rows], 3) for score in ("knn", "linear")]
        lines.append(f"| {' | '.join([*_cells(rows[0]['training']), str(len(rows)), *scores])} |")
    return "\n".join(lines) + "\n"


def _untrained(kind: dict[str, Any]) -> bool:
    return kind.get("steps") == 1


def _order(kind: dict[str, Any]) -> tuple[bool, bool, str, float]:
    statistics = kind.get("norm_statistics", "")
    return kind["pretrained"], not _untrained(kind), statistics, -kind.get("lr", 0.0)


def _cells(kind: dict[str, Any]) -> list[str]:
    whose = "ImageNet's" if kind["pretrained"] else "random"
    if _untrained(kind):
        return [f"{whose}, untrained" if whose == "random" else f"{whose}, as it is", "", ""]
    more = [f"{kind['recipe']}"] if kind["recipe"] != "simclr" else []
    more += [f"the first {kind['freeze']} layers frozen"] if "freeze" in kind else []
    more += [f"the views of `{kind['views']}`"] if "views" in kind else []
    statistics = kind.get("norm_statistics", "learned")
    return [", ".join([f"{whose}, trained", *more]), statistics, f"{kind['lr']:.7f}".rstrip("0")]


def page() -> str:
    """The page with its table."""
    return between(PAGE.read_text(encoding="utf-8"), BEGIN, END, table())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
