"""That no declared mutant is stale, and that what the tests see and what they do not see is told apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fullrank.errors import UserError
from tests.mutants import trial
from tests.mutants.__main__ import RESULT, ROOT, kept_rows, main
from tests.mutants.declared import Mutant, declared

MUTANTS = declared()

SOURCE = "def double(x):\n    while x is None:\n        pass\n    return 2 * x\n"
TEST = "from fullrank.double import double\n\n\ndef test_double():\n    assert double(1) == 2\n"
DECLARED = {
    "killed": 'before = "return 2 * x"\nafter = "return 3 * x"',
    "harmless": 'before = "return 2 * x"\nafter = "return x * 2"',
    "endless": 'before = "while x is None:"\nafter = "while x is not None:"',
    "waiting": 'before = "return 2 * x"\nafter = "return __import__(\'time\').sleep(60)"',
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_line_of_a_mutant_is_in_its_file_exactly_once(name: str) -> None:
    mutant = MUTANTS[name]
    text = (ROOT / mutant.file).read_text(encoding="utf-8")
    assert mutant.applied(text) != text
    compile(mutant.applied(text), mutant.file, "exec")
    assert mutant.killed_by
    assert all((ROOT / test.partition("::")[0]).exists() for test in mutant.killed_by)


def test_a_line_that_is_gone_or_there_twice_is_an_error() -> None:
    mutant = Mutant(name="sum", file="sum.py", before="a + b", after="a - b", killed_by=("tests",))
    assert mutant.applied("x = (\n    a + b\n)") == "x = (\n    a - b\n)"
    for text in ("a * b", "a + b\na + b"):
        with pytest.raises(UserError, match=r"The line of the mutant sum is \d times in sum\.py"):
            mutant.applied(text)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of one function, its test, and the mutants that are named in it."""
    monkeypatch.setattr(trial, "THEIRS", ())
    for folder in ("fullrank", "tests/mutants", "docs/results"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "fullrank" / "__init__.py").touch()
    (tmp_path / "fullrank" / "double.py").write_text(SOURCE)
    (tmp_path / "tests" / "test_double.py").write_text(TEST)
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    return tmp_path


def declare(project: Path, *names: str, more: str = "") -> None:
    tables = [
        f'[{name}]\nfile = "fullrank/double.py"\nkilled_by = ["tests/test_double.py"]\n{DECLARED[name]}\n{more}\n'
        for name in names
    ]
    (project / "tests" / "mutants" / "all.toml").write_text("\n".join(tables))


def result(project: Path) -> dict[str, dict[str, str]]:
    mutants: dict[str, dict[str, str]] = json.loads((project / RESULT).read_text())["mutants"]
    return mutants


@pytest.mark.slow
def test_a_killed_mutant_is_told_from_a_harmless_one_and_from_one_that_hangs(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    declare(project, "killed", "harmless", "endless")
    assert main(["--limit", "2"], project) == 1
    found = result(project)
    assert {name: row["outcome"] for name, row in found.items()} == {
        "killed": "killed",
        "harmless": "survived",
        "endless": "hung",
    }
    assert found["killed"]["by"] == "tests/test_double.py::test_double"
    assert "2 of 3 mutants were killed, 1 survived, 0 are declared equivalent." in capfd.readouterr().out
    assert (project / "fullrank" / "double.py").read_text() == SOURCE


@pytest.mark.slow
def test_a_mutant_that_waits_for_nothing_hangs(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "PATIENCE", 0.0)
    declare(project, "waiting")
    assert main(["--limit", "1"], project) == 0
    assert result(project)["waiting"]["outcome"] == "hung"


@pytest.mark.slow
def test_only_a_harmless_mutant_may_be_declared_equivalent(project: Path) -> None:
    declare(project, "harmless", more='equivalent = "a product has no order"')
    assert main([], project) == 0
    declare(project, "killed", more='equivalent = "it is not"')
    assert main([], project) == 1


@pytest.mark.slow
def test_what_was_tried_on_the_same_package_is_not_tried_again(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    declare(project, "killed", "harmless")
    main([], project)
    rows = result(project)
    half = {"killed": rows["killed"] | {"outcome": "hung"}}
    (project / RESULT).write_text(json.dumps({"mutants": half}))
    main([], project)
    assert "1 of 2 mutants were tried on this package already." in capfd.readouterr().out
    assert result(project)["killed"]["outcome"] == "hung"
    half["killed"]["sha256"] = "of other code"
    (project / RESULT).write_text(json.dumps({"mutants": half}))
    main([], project)
    assert result(project)["killed"]["outcome"] == "killed"


@pytest.mark.slow
def test_only_some_mutants_are_tried_where_that_is_asked_for(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    declare(project, "killed", "harmless")
    assert main(["--only", "killed"], project) == 0
    assert [*result(project)] == ["killed"]
    assert "1 of 1 mutants were killed" in capfd.readouterr().out
    assert json.loads((project / RESULT).read_text())["counts"]["left"] == 1
    assert main(["--only", "kiled"], project) == 2
    assert capfd.readouterr().err == "There is no mutant kiled: did you mean killed?\n"


@pytest.mark.slow
def test_tests_that_fail_without_a_mutant_are_repaired_first(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    declare(project, "killed")
    (project / "tests" / "test_double.py").write_text(TEST.replace("== 2", "== 5"))
    assert main([], project) == 2
    assert "tests/test_double.py::test_double fails without any mutant: repair it first." in capfd.readouterr().err


def test_no_mutant_survived_when_it_was_last_tried_but_for_equivalent_ones() -> None:
    """`python -m tests.mutants --only NAME` tries a new one, and keeps what became of it."""
    rows = kept_rows()
    assert set(rows) <= set(MUTANTS)
    survived = {name for name, row in rows.items() if row["outcome"] == "survived"}
    assert survived == {name for name in rows if MUTANTS[name].equivalent is not None}
