"""Writes the table of docs/reliability.md from docs/results/faults.json: `python -m docs.build.faults`."""

from __future__ import annotations

import json
from pathlib import Path

from docs.build.marks import between

DOCS = Path(__file__).parent.parent
PAGE = DOCS / "reliability.md"
BEGIN, END = "<!-- written by docs/build/faults.py -->\n", "<!-- until here -->\n"


def table() -> str:
    """The faults that were put in, how often, and how often the run survived."""
    found = json.loads((DOCS / "results" / "faults.json").read_text(encoding="utf-8"))
    lines = ["| fault | tries | survived |", "|---|---|---|"]
    lines += [f"| {row['fault']} | {row['tries']} | {row['survived']} |" for row in found["rows"]]
    recipes = ", ".join(found["recipes"])
    return "\n".join([*lines, "", f"Recipes, in turn: {recipes}; version {found['fullrank']}, on a CPU."]) + "\n"


def page() -> str:
    """The page with its table."""
    return between(PAGE.read_text(encoding="utf-8"), BEGIN, END, table())


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
