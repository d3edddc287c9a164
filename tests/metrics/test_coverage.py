"""The stored coverage of the jackknife is what its docstring says, and at least 88 % where it promises an interval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

RESULTS = Path(__file__).parents[2] / "docs/results/benchmarks/jackknife.json"
RANKS = ("effective_rank", "rankme", "rankme_centered", "participation_ratio", "nesum", "stable_rank")


def rows() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(RESULTS.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row['cloud']} {row['by_donor']}")
def test_intervals_hold_where_there_are_rows_enough(row: dict[str, Any]) -> None:
    cloud = row["cloud"]
    independent = row["by_donor"] or not cloud["donors"]
    if cloud["rows"] >= 8 * cloud["dims"] and independent:
        assert all(row[name]["coverage"] >= 0.88 for name in RANKS)
    elif independent:
        assert all(row[name]["coverage"] >= 0.91 for name in ("participation_ratio", "nesum"))
        assert row["rankme"]["coverage"] < 0.2
    else:
        assert all(row[name]["coverage"] < 0.65 for name in RANKS)
