"""Terms that flags add to the loss of any method."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import get_args

import torch
from torch import nn

from fullrank.errors import UserError
from fullrank.losses import Terms, combine
from fullrank.losses.energy import weights_of_layers
from fullrank.methods import Method, Outputs
from fullrank.recipes._recipe import Recipe
from fullrank.regularizers import Step
from fullrank.regularizers.energy import Network


def regularize(terms: Terms, outputs: Outputs, method: Method, recipe: Recipe, *, epoch: int, epochs: int) -> Terms:
    """The terms of a method and those of the recipe's regularizers, named with a +; "loss" is that of both.

    epoch counts from 1 to `epochs`. A weight of 0 costs nothing.
    """
    spread = outputs[recipe.uniform_on]
    step = Step(outputs, spread, method, epoch, epochs)
    found = {f"+{name}": regularizer.term(step) for name, regularizer in recipe.regularizers().items()}
    added = {name: term for name, term in found.items() if term is not None}
    if not added:
        return terms
    extra = combine(added)
    return {**terms, **extra, "loss": terms["loss"] + extra["loss"]}


def require_parts(recipe: Recipe, method: Method, sizes: Sequence[int]) -> None:
    """Raise a UserError where a regularizer of the recipe is for an output or networks that its method does not have.

    `sizes` are those of the views in pixels.
    """
    networks = [name for name in get_args(Network) if _has_energy(getattr(method, name, None))]
    if recipe.energy.energy and not {*recipe.energy.energy_on} & {*networks}:
        on = " ".join(recipe.energy.energy_on)
        remedy = f"pass {' or '.join(networks)}" if networks else "leave out --energy"
        raise UserError(f"--energy-on {on} names no network of this method that has layers: {remedy}.")
    if recipe.uniform_on == "embedding":  # which every method gives
        return
    with torch.no_grad():
        channels = method.encoder.channels
        outputs = copy.deepcopy(method).eval()([torch.zeros(1, channels, size, size) for size in sizes])
    if recipe.uniform_on not in outputs:
        known = " or ".join(name for name in ("embedding", "representation") if name in outputs)
        raise UserError(
            f"--uniform-on {recipe.uniform_on} has nothing to spread, as this method gives none: pass {known}."
        )


def _has_energy(part: object) -> bool:
    return isinstance(part, nn.Module) and bool(weights_of_layers(part))
