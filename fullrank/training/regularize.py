"""Terms that a flag adds to the loss of any method: uniformity of what it trains, or of its weights."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn

from fullrank.losses import Terms, combine, hyperspherical_energy, layer_energy, uniformity, w2
from fullrank.methods import Method, Outputs
from fullrank.recipes._recipe import Recipe


def regularize(terms: Terms, outputs: Outputs, method: Method, recipe: Recipe, *, epoch: int, epochs: int) -> Terms:
    """The terms of a method and those that the recipe's flags add, named with a +; "loss" is that of both.

    epoch counts from 1 to `epochs`. A weight of 0 costs nothing.
    """
    z = outputs.get(recipe.uniform_on, outputs["embedding"])
    added: dict[str, tuple[float, Tensor]] = {}
    weight = w2_weight(recipe, epoch, epochs)
    if weight != 0:
        added["+w2"] = (weight, w2(z)["loss"])
    if recipe.uniformity != 0:
        added["+uniformity"] = (recipe.uniformity, uniformity(z)["loss"])
    if recipe.energy != 0:
        added["+energy"] = (recipe.energy, _energy(method, recipe))
    if not added:
        return terms
    extra = combine(added)
    return {**terms, **extra, "loss": terms["loss"] + extra["loss"]}


def w2_weight(recipe: Recipe, epoch: int, epochs: int) -> float:
    """Weight of W2 in an epoch from 1 to `epochs`: linear from `w2` down to `w2_end` (Fang et al. 2024).

    >>> [w2_weight(Recipe(w2=30.0, w2_end=0.0), epoch, 3) for epoch in (1, 2, 3)]
    [20.0, 10.0, 0.0]
    """
    end = recipe.w2 if recipe.w2_end is None else recipe.w2_end
    return recipe.w2 - min(epoch, epochs) * (recipe.w2 - end) / epochs


def _energy(method: Method, recipe: Recipe) -> Tensor:
    """Layer-wise energy of the chosen networks that the method has; a teacher is never one of them."""
    networks = [getattr(method, name, None) for name in recipe.energy_on]
    measure = partial(
        hyperspherical_energy,
        power=recipe.energy_power,
        angular=recipe.energy_angular,
        half_space=recipe.energy_half_space,
    )
    return layer_energy(nn.ModuleList([part for part in networks if isinstance(part, nn.Module)]), energy=measure)
