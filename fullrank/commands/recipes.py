"""`fullrank recipes [RECIPE]`: list the recipes, or show one and its published settings."""

from __future__ import annotations

import inspect
import sys
from typing import get_args

from fullrank.commands._common import terminal
from fullrank.errors import UserError

_WIDTH = 20
_BEGIN = """\
Begin with simclr, the best known, or with intl, which uses every dimension: `fullrank train simclr --data photos/`.
`fullrank recipes RECIPE` shows what a recipe is, and the settings that its authors published.

The five systems
"""
_SYSTEMS = {
    "any --w2 0.5": "W2 uniformity (Fang et al. 2024) beside any recipe.",
    "intl, spectral": "INTL and the spectral transformations (Weng et al. 2024).",
    "corinfomax": "CorInfoMax (Ozsoy et al. 2022).",
    "directclr": "DirectCLR (Jing et al. 2022).",
    "byol --energy 1": "Hyperspherically regularized BYOL (Durrant & Leontidis 2022), or with --uniformity 1.",
}


def run(arguments: list[str]) -> int:
    """Run the command; returns the exit code."""
    from fullrank import recipes

    if "--help" in arguments or "-h" in arguments:
        print("usage: fullrank recipes [RECIPE]\n\nList the recipes, or show one and its published settings.")
        return 0
    named = [one for one in arguments if not one.startswith("-")]
    if rest := [one for one in arguments if one not in named[:1]] or named[1:]:
        raise UserError(f"`fullrank recipes` takes one RECIPE and no flags: leave out {' '.join(rest)}.")
    if arguments:
        from fullrank.recipes.presets.table import show

        recipe_class = recipes.load(arguments[0])
        print(inspect.getdoc(sys.modules[recipe_class.__module__]))
        show(arguments[0], recipe_class, terminal())
        return 0
    families: dict[str, list[str]] = {family: [] for family in get_args(recipes.Family)}
    for name in recipes.names():
        families[recipes.load(name).family].append(name)
    print(_BEGIN + "\n".join(f"  {name:<{_WIDTH}}  {about}" for name, about in _SYSTEMS.items()))
    for family, names in families.items():
        if names:
            print(f"\n{family[0].upper()}{family[1:]}")
        for name in names:
            print(f"  {name:<{_WIDTH}}  {recipes.documentation(name).splitlines()[0]}")
    return 0
