"""docs/papers.md says what the result files say: a line for every experiment, none besides."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from fullrank.papers import catalog

DOCS = Path(__file__).parent.parent.parent / "docs"
RESULTS = DOCS / "results" / "papers"


def line(name: str, result: dict[str, Any]) -> str:
    """The line of the table for one result.json."""
    evidence = f"[figure](results/papers/{name}/figure.svg), [numbers](results/papers/{name}/result.json)"
    return f"| `{name}` | {result['claim']} | **{result['verdict']}** | {result['measured']} | {evidence} |"


def results() -> dict[str, dict[str, Any]]:
    """Every result by its folder, which has the name of the experiment."""
    paths = sorted(RESULTS.glob("*/*/result.json"))
    return {str(path.parent.relative_to(RESULTS)): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def table() -> list[str]:
    """The lines of all results."""
    return [line(name, result) for name, result in results().items()]


def summary() -> str:
    """How many experiments there are, what came out, and the time of all."""
    found = Counter(result["verdict"] for result in results().values())
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in found.most_common())
    hours = sum(result["cpu_seconds"] for result in results().values()) / 3600
    return f"Of {found.total()} claims: {verdicts}. All took {hours:.1f} hours of one CPU core."


def test_every_result_has_its_line_and_its_figure() -> None:
    """After a new result, `python -m tests.papers.test_docs` rewrites the table."""
    lines = (DOCS / "papers.md").read_text(encoding="utf-8").splitlines()
    assert [row for row in lines if row.startswith("| `")] == table()
    assert summary() in lines
    for name, result in results().items():
        figure = (RESULTS / name / "figure.svg").read_text(encoding="utf-8")
        assert all(panel["title"] in figure for panel in result["panels"] if "<" not in panel["title"])


def test_every_experiment_has_a_result_for_the_claim_that_it_makes_today() -> None:
    assert set(results()) == set(catalog())
    for name, result in results().items():
        entry = catalog()[name]
        said = (result["name"], result["claim"], result["paper"], result["title"])
        assert said == (name, entry.claim, entry.paper, entry.title)


def test_the_announced_minutes_are_those_of_the_result() -> None:
    for name, result in results().items():
        took = pytest.approx(result["cpu_seconds"] / 60, rel=0.5, abs=0.05)  # a busy machine; 3 s are noise
        assert catalog()[name].minutes == took, name


def test_results_say_how_they_were_made() -> None:
    for result in results().values():
        assert result["command"].startswith(f"fullrank paper {result['name']} --out ")
        assert result["cpu_seconds"] > 0
        assert {"fullrank", "torch", "numpy"} <= set(result["versions"])


def rewrite() -> None:
    """Bring the table of docs/papers.md up to date: python -m tests.papers.test_docs."""
    page = DOCS / "papers.md"
    kept = [row for row in page.read_text(encoding="utf-8").splitlines() if not row.startswith("| `")]
    kept = [summary() if row.startswith("Of ") and " claims: " in row else row for row in kept]
    page.write_text("\n".join([*kept, *table()]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    rewrite()
