"""The results of the papers' experiments, by the place where they were trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fullrank.papers import catalog, load
from fullrank.papers.kit.parts import judged

DOCS = Path(__file__).parents[2]
GRAY, COLOR, FRESH = (DOCS / "results" / name for name in ("papers", "papers-color", "papers-fresh"))
BUDGETS = {  # folders of COLOR
    "150": "150 steps",
    "arrays": "150 steps, in memory",
    "900": "900 steps, in memory",
    "4000": "4,000 steps, in memory",
}
PLACES = {"gray": "gray"} | {budget: f"color, {said}" for budget, said in BUDGETS.items()}
Result = Mapping[str, Any]
Results = Mapping[str, Result]


def read(folder: Path) -> dict[str, dict[str, Any]]:
    """Every result by the name of its experiment."""
    paths = sorted(folder.glob("*/*/result.json"))
    return {str(path.parent.relative_to(folder)): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def trains(name: str) -> bool:
    """Whether an experiment trains on images."""
    return bool(catalog()[name].data)


def seeds_of(result: Result) -> list[int]:
    """The seeds that the rows of a result have; of closed forms none."""
    return sorted({int(row["seed"]) for row in result["rows"] if "seed" in row})


def of_first_seeds(result: Result, count: int) -> dict[str, Any]:
    """The headline of a result as its first seeds alone would have been judged."""
    first = set(seeds_of(result)[:count])
    rows = [row for row in result["rows"] if row["seed"] in first]
    return judged(load(str(result["name"])).parts[:1], rows)[0]
