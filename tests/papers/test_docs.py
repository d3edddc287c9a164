"""docs/papers.md says what the result files say: a line for every experiment, none besides."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fullrank.papers import catalogue

DOCS = Path(__file__).parent.parent.parent / "docs"
RESULTS = DOCS / "results" / "papers"


def line(folder: str, result: dict[str, Any]) -> str:
    """The line of the table for one result.json."""
    evidence = f"[figure](results/papers/{folder}/figure.svg), [numbers](results/papers/{folder}/result.json)"
    images = " --data fashion-mnist" if folder != result["name"] else ""
    measured = f"{result['claim']} | **{result['verdict']}** | {result['measured']}"
    return f"| `{result['name']}{images}` | {measured} | {evidence} |"


def results() -> dict[str, dict[str, Any]]:
    """By their folders: first those with the default data, then those on Fashion-MNIST, in a folder of that name."""
    paths = sorted(RESULTS.glob("*/*/result.json")) + sorted(RESULTS.glob("*/*/fashion-mnist/result.json"))
    return {str(path.parent.relative_to(RESULTS)): json.loads(path.read_text(encoding="utf-8")) for path in paths}


def table() -> list[str]:
    """The lines of all results."""
    return [line(folder, result) for folder, result in results().items()]


def test_every_result_has_its_line_and_its_figure() -> None:
    """After a new result, `python -m tests.papers.test_docs` rewrites the table."""
    lines = (DOCS / "papers.md").read_text(encoding="utf-8").splitlines()
    assert [row for row in lines if row.startswith("| `")] == table()
    for folder, result in results().items():
        figure = (RESULTS / folder / "figure.svg").read_text(encoding="utf-8")
        assert all(panel["title"] in figure for panel in result["panels"] if "<" not in panel["title"])


def test_a_result_is_for_the_claim_that_the_experiment_makes_today() -> None:
    for result in results().values():
        entry = catalogue()[result["name"]]
        assert (result["claim"], result["paper"], result["title"]) == (entry.claim, entry.paper, entry.title)


def test_results_say_how_they_were_made() -> None:
    for result in results().values():
        assert result["command"].startswith(f"fullrank paper {result['name']} --out ")
        assert result["cpu_seconds"] > 0
        assert {"fullrank", "torch", "numpy"} <= set(result["versions"])


def rewrite() -> None:
    """Bring the table of docs/papers.md up to date: python -m tests.papers.test_docs."""
    page = DOCS / "papers.md"
    kept = [row for row in page.read_text(encoding="utf-8").splitlines() if not row.startswith("| `")]
    page.write_text("\n".join([*kept, *table()]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    rewrite()
