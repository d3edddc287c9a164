"""The walls: imports go downwards, files stay small, the command line starts without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fullrank"
LEVEL = {
    "errors": 0, "runs": 0, "stats": 0,
    "losses": 1, "metrics": 1, "nn": 1, "data": 1,
    "methods": 2, "evaluate": 2, "diagnosis": 2,
    "train": 3, "watch": 3, "recipes": 4, "papers": 4, "demo": 5, "commands": 5, "testing": 5, "cli": 6, "report": 1,
}  # fmt: skip
ALONE = {"losses", "metrics", "nn", "data", "methods", "evaluate", "diagnosis", "report"}  # no room beside it
SEEN_FROM_REPORT = {"errors", "runs", "report"}
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted([*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])


def room(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "fullrank" else None


def imported(path: Path) -> list[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            only_package = node.module == "fullrank"
            found += [f"fullrank.{alias.name}" for alias in node.names] if only_package else [node.module]
    return found


def violations(here: str, modules: list[str]) -> list[str]:
    wrong = []
    for module in modules:
        there = room(module)
        if there is None or there == here or there not in LEVEL:
            continue
        upwards = LEVEL[there] > LEVEL[here]
        sideways = LEVEL[there] == LEVEL[here] and (here in ALONE or there in ALONE)
        if upwards or sideways or (here == "report" and there not in SEEN_FROM_REPORT):
            wrong.append(f"{here} imports {there}")
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path: Path) -> None:
    here = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if here == "__init__":
        return
    assert here in LEVEL, f"{here} is no room of docs/architecture.md"
    assert violations(here, imported(path)) == []


def test_the_ladder_sees_a_violation() -> None:
    assert violations("losses", ["fullrank.train.fit"]) == ["losses imports train"]
    assert violations("nn", ["fullrank.data"]) == ["nn imports data"]
    assert violations("report", ["fullrank.stats"]) == ["report imports stats"]
    assert violations("train", ["fullrank.losses", "torch"]) == []


def test_lightning_stays_in_train_and_watch() -> None:
    users = {path.relative_to(PACKAGE).parts[0] for path in MODULES for name in imported(path) if "lightning" in name}
    assert users <= {"train", "watch", "cli.py"}


def test_the_report_imports_no_torch() -> None:
    users = [path.name for path in (PACKAGE / "report").rglob("*.py") if "torch" in " ".join(imported(path))]
    assert users == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= 300
    long = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and node.end_lineno - body[0].lineno + 1 > 40:
                long.append(node.name)
    assert long == []


def test_a_recipe_has_at_most_thirty_fields() -> None:
    from dataclasses import fields

    from fullrank import recipes
    from fullrank.train import RunOptions

    assert {
        name: len(fields(recipes.load(name))) for name in recipes.names() if len(fields(recipes.load(name))) > 30
    } == {}
    assert len(fields(RunOptions)) <= 30


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["recipes"], ["recipes", "intl"], ["paper"], ["train", "intl", "--help"], ["evaluate", "--help"]),
        *(["diagnose", "--help"], ["compare", "--help"]),
    ],
)
def test_the_command_line_starts_without_torch(arguments: list[str]) -> None:
    program = (
        "import sys; from fullrank.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "print('heavy:', sorted({'torch', 'lightning', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_importing_the_package_changes_nothing() -> None:
    program = (
        "import warnings, random, logging, numpy, torch\n"
        "import torchvision, timm, sklearn.datasets, scipy.special, matplotlib\n"
        "before = (torch.get_default_dtype(), torch.random.get_rng_state().sum().item(), warnings.filters[:], "
        "numpy.random.get_state()[1].sum(), random.getstate(), logging.getLogger().handlers[:], "
        "torch.get_num_threads())\n"
        "import fullrank, fullrank.stats, fullrank.losses, fullrank.metrics, fullrank.nn, fullrank.data\n"
        "import fullrank.methods, fullrank.evaluate, fullrank.diagnosis, fullrank.report, fullrank.recipes\n"
        "import fullrank.watch\n"
        "after = (torch.get_default_dtype(), torch.random.get_rng_state().sum().item(), warnings.filters[:], "
        "numpy.random.get_state()[1].sum(), random.getstate(), logging.getLogger().handlers[:], "
        "torch.get_num_threads())\n"
        "names = ('dtype', 'torch rng', 'warnings', 'numpy rng', 'random', 'logging', 'threads')\n"
        "print([n for n, a, b in zip(names, before, after) if a != b])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
