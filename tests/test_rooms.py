"""The walls: imports go downwards, files stay small, the command line starts without torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "fullrank"
LEVEL = {
    "runs": 0,
    "terminal": 0,
    "stats": 1,
    **dict.fromkeys(("losses", "metrics", "nn", "data", "embeddings", "engine", "report"), 2),
    **dict.fromkeys(("methods", "regularizers", "diagnosis", "evaluation", "clusters"), 3),
    **dict.fromkeys(("recipes", "watch", "testing"), 4),
    **dict.fromkeys(("detection", "training", "transfer"), 5),
    "papers": 6,
    "__init__": 6,  # the front door
    "commands": 7,
    "cli": 8,
    "__main__": 9,
}
LISTS = {"losses", "recipes", "metrics", "commands"}  # rooms that are lists by nature may have more than 15 files
MODULES = sorted(PACKAGE.rglob("*.py"))
CHECKED = [path for room in ("tests", "benchmarks", "docs") for path in (ROOT / room).rglob("*.py")]
SOURCES = sorted([*MODULES, *CHECKED])


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


LIGHTNING = ("lightning", "lightning.pytorch", "lightning.pytorch.loggers", "lightning.pytorch.callbacks")
NAMES = {name_of(path): path for path in MODULES}


def imports(source: str, known: Collection[str]) -> set[str]:
    """The known files that a file imports, at its top or inside of functions; not those for type checkers alone."""

    def statements(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                continue
            yield child
            yield from statements(child)

    found: set[str] = set()
    for node in statements(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            files = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= files & set(known) or {node.module}
    return found & set(known)


def room(module: str) -> str:
    """The room of a file; that of the package's own is __init__."""
    return (*module.split("."), "__init__")[1]


def upwards(here: str, modules: Iterable[str]) -> list[str]:
    """What of these a file may not import: everything that is not of its room, of a lower level, or errors."""
    return sorted(
        there
        for there in modules
        if room(there) not in (room(here), "errors") and LEVEL[room(there)] >= LEVEL.get(room(here), -1)
    )


def circles(graph: Mapping[str, set[str]]) -> list[str]:
    """The files that can be reached from themselves."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        ahead = [*graph[start]]
        while ahead:
            node = ahead.pop()
            if node not in seen:
                seen.add(node)
                ahead += graph[node]
        return seen

    return [node for node in graph if node in reached(node)]


def test_imports_go_downwards() -> None:
    unknown = {room(name) for name in NAMES} - {*LEVEL, "errors"}
    assert unknown == set(), "these are not rooms of docs/architecture.md"
    found = {name: upwards(name, imports(path.read_text(encoding="utf-8"), NAMES)) for name, path in NAMES.items()}
    assert {name: modules for name, modules in found.items() if modules} == {}


@pytest.mark.slow
def test_no_file_imports_itself_by_way_of_others() -> None:
    graph = {name: imports(path.read_text(encoding="utf-8"), NAMES) - {name} for name, path in NAMES.items()}
    assert circles(graph) == []


def test_the_ladder_sees_a_violation() -> None:
    source = (
        "def f():\n    from fullrank.training import fit\nimport torch, fullrank.stats\nfrom fullrank import losses\n"
    )
    assert imports(source, NAMES) == {"fullrank.training.fit", "fullrank.stats", "fullrank.losses"}
    assert imports("if TYPE_CHECKING:\n    import fullrank.losses\n", NAMES) == set()
    assert upwards("fullrank.losses.w2", ["fullrank.training.fit", "fullrank.stats"]) == ["fullrank.training.fit"]
    assert upwards("fullrank.nn.heads", ["fullrank.data", "fullrank.nn", "fullrank.errors"]) == ["fullrank.data"]
    assert upwards("fullrank.diagnosis.judge", ["fullrank"]) == ["fullrank"]
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"]


def test_a_room_has_at_most_fifteen_files_unless_it_is_a_list() -> None:
    folders = {path.parent for path in MODULES}
    counts = {str(folder.relative_to(PACKAGE)): len([*folder.glob("*.py")]) for folder in folders}
    assert {folder: count for folder, count in counts.items() if count > 15 and folder not in LISTS} == {}


def test_the_command_line_has_fewer_than_100_lines() -> None:
    assert (PACKAGE / "cli.py").read_text(encoding="utf-8").count("\n") < 100


def test_lightning_stays_where_weights_move_or_are_watched() -> None:
    users = {room(name) for name, path in NAMES.items() if imports(path.read_text(encoding="utf-8"), LIGHTNING)}
    assert users <= {"detection", "engine", "training", "transfer", "watch"}


def test_runs_and_report_import_no_torch() -> None:
    users = [name for name, path in NAMES.items() if imports(path.read_text(encoding="utf-8"), ("torch", "torch.nn"))]
    assert [name for name in users if room(name) in ("report", "runs")] == []


def too_long(source: str) -> list[str]:
    """The functions of more than 40 lines below their docstring, and the file itself if it has more than 300."""
    long = ["the file"] if source.count("\n") > 300 else []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            body = node.body[1:] if ast.get_docstring(node) else node.body
            if body and node.end_lineno - body[0].lineno + 1 > 40:
                long.append(node.name)
    return long


@pytest.mark.slow
def test_files_and_functions_stay_small() -> None:
    found = {str(path.relative_to(ROOT)): too_long(path.read_text(encoding="utf-8")) for path in SOURCES}
    assert {path: long for path, long in found.items() if long} == {}
    assert too_long("def f():\n" + 41 * "    x = 1\n" + 259 * "\n") == ["the file", "f"]
    assert too_long("def f():\n" + 40 * "    x = 1\n" + 259 * "\n") == []


def test_a_recipe_has_at_most_thirty_fields() -> None:
    from dataclasses import fields

    from fullrank import recipes
    from fullrank.engine import RunOptions

    assert {
        name: len(fields(recipes.load(name))) for name in recipes.names() if len(fields(recipes.load(name))) > 30
    } == {}
    assert len(fields(RunOptions)) <= 30


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--help"], ["recipes"], ["recipes", "intl"], ["paper"], ["train", "intl", "--help"], ["evaluate", "--help"]),
        *(["diagnose", "--help"], ["compare", "--help"], ["detect", "--help"], ["detect", "--presets"]),
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


@pytest.mark.slow
def test_importing_the_package_changes_nothing() -> None:
    program = (
        "import warnings, random, logging, numpy, torch\n"
        "import torchvision, timm, sklearn.datasets, scipy.special, matplotlib\n"
        "before = (torch.get_default_dtype(), torch.random.get_rng_state().sum().item(), warnings.filters[:], "
        "numpy.random.get_state()[1].sum(), random.getstate(), logging.getLogger().handlers[:], "
        "torch.get_num_threads())\n"
        "import fullrank, fullrank.stats, fullrank.losses, fullrank.metrics, fullrank.nn, fullrank.data\n"
        "import fullrank.methods, fullrank.evaluation, fullrank.diagnosis, fullrank.report, fullrank.recipes\n"
        "import fullrank.watch\n"
        "after = (torch.get_default_dtype(), torch.random.get_rng_state().sum().item(), warnings.filters[:], "
        "numpy.random.get_state()[1].sum(), random.getstate(), logging.getLogger().handlers[:], "
        "torch.get_num_threads())\n"
        "names = ('dtype', 'torch rng', 'warnings', 'numpy rng', 'random', 'logging', 'threads')\n"
        "print([n for n, a, b in zip(names, before, after) if a != b])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
