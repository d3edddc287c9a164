"""One file per method. A file here is a command: `fullrank train NAME`; so is a file of your own."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import sys
from pathlib import Path
from types import ModuleType

from fullrank.errors import UserError, suggest
from fullrank.recipes._recipe import Family, Recipe
from fullrank.recipes._settings import as_declared, from_settings, settings, with_settings

__all__ = [
    "Family",
    "Recipe",
    "as_declared",
    "documentation",
    "from_settings",
    "load",
    "names",
    "settings",
    "with_settings",
]


def names() -> list[str]:
    """The names of the recipes that come with FullRank.

    >>> "intl" in names()
    True
    """
    return sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))


def documentation(name: str) -> str:
    """The header of a recipe's file: what it is, its command, its cost and its measured result.

    Args:
        name: A name that `names` lists.

    >>> documentation("vicreg").splitlines()[0]
    'VICReg: keep the variance of every dimension, remove the covariance between them.'
    """
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)) or ""


def load(name: str) -> type[Recipe]:
    """The recipe class of a name, or of a Python file (which is run).

    Args:
        name: A name that `names` lists, or the path of a Python file.

    Raises:
        UserError: There is no such recipe; the sentence has the nearest name.

    >>> load("intll")
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no recipe intll: did you mean intl? (`fullrank recipes` lists them all.)
    """
    if name.endswith(".py"):
        return _only_recipe(_run_file(Path(name)), name)
    if name not in names():
        of_loss = _with_loss(name)
        if of_loss:
            raise UserError(f"There is no recipe {name}, which is a loss: its recipe is {' or '.join(of_loss)}.")
        hint = suggest(name, names(), cutoff=0.4, otherwise=f"pass one of {', '.join(names())}.")
        raise UserError(f"There is no recipe {name}: {hint} (`fullrank recipes` lists them all.)")
    return _only_recipe(importlib.import_module(f"fullrank.recipes.{name}"), name)


def _with_loss(loss: str) -> list[str]:
    """The recipes that import a loss of that name, as a function or as a module."""
    found = []
    for name in names():
        tree = ast.parse((Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8"))
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        taken = [alias.name for node in imports if node.module == "fullrank.losses" for alias in node.names]
        if any(_plain(each) == _plain(loss) for each in taken):
            found.append(name)
    return found


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _run_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UserError(f"There is no file {path}: pass the path of a recipe, or a name from `fullrank recipes`.")
    spec = importlib.util.spec_from_file_location(f"fullrank_recipe_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


def _only_recipe(module: ModuleType, name: str) -> type[Recipe]:
    own = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Recipe) and value.__module__ == module.__name__
    ]
    if len(own) != 1:
        raise UserError(f"{name} defines {len(own)} recipes: a recipe file holds exactly one subclass of Recipe.")
    return own[0]
