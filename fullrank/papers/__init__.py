"""The papers' own experiments. A file here declares `Experiment`s; `fullrank paper NAME` runs one."""

from __future__ import annotations

import ast
import importlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from fullrank.errors import UserError, suggest
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings

__all__ = ["Entry", "Experiment", "Outcome", "Panel", "Series", "Settings", "catalog", "load"]


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the list says about an experiment, and the module that declares it.

    Attributes:
        name, paper, title, claim, minutes, data, full, trainings, caveat: As in `Experiment`.
        module: The module that declares it.
    """

    name: str
    paper: str
    title: str
    claim: str
    minutes: float
    data: str
    module: str
    full: str = ""
    trainings: int = 0
    caveat: str = ""


@cache
def catalog() -> dict[str, Entry]:
    """All experiments by name, read off the files without running them.

    >>> all(entry.claim.endswith(".") for entry in catalog().values())
    True
    """
    files = sorted(path for path in Path(__file__).parent.glob("*/*.py") if path.parent.name != "kit")
    entries = [entry for path in files for entry in _declared(path)]
    return {entry.name: entry for entry in sorted(entries, key=lambda entry: entry.name)}


def load(name: str) -> Experiment:
    """The experiment of a name.

    Args:
        name: A name that `catalog` lists, such as w2/hosts.

    Raises:
        UserError: There is no such experiment; the sentence has the nearest name.

    >>> load("x")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no experiment x: check its spelling. (`fullrank paper` lists them all.)
    """
    if name not in catalog():
        raise UserError(
            f"There is no experiment {name}: {suggest(name, catalog(), cutoff=0.4)} (`fullrank paper` lists them all.)"
        )
    module = importlib.import_module(catalog()[name].module)
    (found,) = (value for value in vars(module).values() if isinstance(value, Experiment) and value.name == name)
    return found


def _declared(path: Path) -> list[Entry]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node.value for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)]
    entries = []
    for call in calls:
        if isinstance(call.func, ast.Name) and call.func.id == "Experiment":
            words = {word.arg: word.value for word in call.keywords if word.arg and word.arg not in ("run", "parts")}
            entry = {"data": "", **{name: ast.literal_eval(value) for name, value in words.items()}}
            entries.append(Entry(**entry, module=f"{__name__}.{path.parent.name}.{path.stem}"))
    return entries
