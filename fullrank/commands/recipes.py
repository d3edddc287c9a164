"""`fullrank recipes [RECIPE]`: list the recipes, or show one and its published settings."""

from __future__ import annotations

import inspect
import sys

from fullrank.commands._common import terminal


def run(arguments: list[str]) -> int:
    """Do it; the exit code."""
    from fullrank import recipes

    if "--help" in arguments or "-h" in arguments:
        print("usage: fullrank recipes [RECIPE]\n\nList the recipes, or show one and its published settings.")
        return 0
    if arguments:
        from fullrank.recipes.presets.table import show

        recipe_class = recipes.load(arguments[0])
        print(inspect.getdoc(sys.modules[recipe_class.__module__]))
        show(arguments[0], recipe_class, terminal())
        return 0
    width = max(map(len, recipes.names()))
    for name in recipes.names():
        print(f"{name:<{width}}  {recipes.documentation(name).splitlines()[0]}")
    return 0
