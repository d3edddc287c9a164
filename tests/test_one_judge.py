"""One judge: kinds of collapse, measurements and verdicts are each made in one place, and have one name."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from fullrank.diagnosis.kinds import RULES
from fullrank.metrics.measure import RECORDS
from tests.test_rooms import MODULES, PACKAGE

TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text(encoding="utf-8")) for path in MODULES}
COPIES = ("diagnosis/training.py", "watch/early_warning.py")  # that hand on a verdict, or say that there is none


def makers(name: str, home: str) -> set[str]:
    """The files that import a class from its home, or are it, and call it."""
    return {path for path, tree in TREES.items() if _knows(tree, path, name, home) and _of(tree, name)}


def _knows(tree: ast.AST, path: str, name: str, home: str) -> bool:
    taken = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    module = "fullrank." + home.removesuffix(".py").replace("/", ".")
    return path == home or any(
        node.module in (module, module.rpartition(".")[0]) and name in {alias.name for alias in node.names}
        for node in taken
    )


def _of(tree: ast.AST, name: str) -> list[ast.Call]:
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == name]


def test_kinds_measurements_and_verdicts_are_each_made_in_one_place() -> None:
    assert {Path(path).parent.as_posix() for path in makers("Rule", "diagnosis/rule.py")} == {"diagnosis/kinds"}
    assert {Path(path).parent.as_posix() for path in makers("Measurement", "metrics/record.py")} == {"metrics"}
    assert makers("Verdict", "diagnosis/judge.py") == {"diagnosis/judge.py", *COPIES}
    decided = {ast.unparse(call.args[0]) for path in COPIES for call in _of(TREES[path], "Verdict")}
    assert decided == {"made.verdict", "'undetermined'"}  # a report's own, and of what is not finite
    assert makers("Finding", "diagnosis/finding.py") <= {"diagnosis/judge.py", "diagnosis/advise.py"}


@pytest.mark.parametrize("page", ["tables.py", "figures.py"])
def test_the_page_of_runs_calls_a_number_as_its_record_does(page: str) -> None:
    titles = dict(_titles(TREES[f"report/runs/{page}"]))
    assert {"relative_spread", "effective_rank", "w2_uniformity"} <= set(titles)
    assert {name: title for name, title in titles.items() if not RECORDS[name].title.startswith(title)} == {}


def _titles(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Names of measurements that stand beside a text in a tuple or a call."""
    for node in ast.walk(tree):
        parts = node.elts if isinstance(node, ast.Tuple) else node.args if isinstance(node, ast.Call) else []
        words = [part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if len(words) > 1 and words[0] in RECORDS:
            yield words[0], words[1]


def test_no_two_rules_and_no_two_measurements_have_one_name() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES)
    titles = [record.title for record in RECORDS.values()]
    assert len(set(titles)) == len(titles)


def test_the_metric_that_the_map_shows_in_whole_is_the_file() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    shown = page.partition("+++ b/fullrank/metrics/neighbor_agreement.py\n")[2].partition("```")[0]
    file = (PACKAGE / "metrics" / "neighbor_agreement.py").read_text(encoding="utf-8")
    assert [line[1:] for line in shown.splitlines()] == file.splitlines()
