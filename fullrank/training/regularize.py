"""Terms that flags add to the loss of any method."""

from __future__ import annotations

from fullrank.errors import UserError
from fullrank.losses import Terms, combine
from fullrank.methods import Method, Outputs
from fullrank.recipes._recipe import Recipe
from fullrank.regularizers import Step


def regularize(terms: Terms, outputs: Outputs, method: Method, recipe: Recipe, *, epoch: int, epochs: int) -> Terms:
    """The terms of a method and those of the recipe's regularizers, named with a +; "loss" is that of both.

    epoch counts from 1 to `epochs`. A weight of 0 costs nothing.
    """
    if recipe.uniform_on not in outputs:
        raise UserError(
            f"--uniform-on {recipe.uniform_on} has nothing to spread: this method gives {', '.join(outputs)}."
        )
    spread = outputs[recipe.uniform_on]
    step = Step(outputs, spread, method, epoch, epochs)
    found = {f"+{name}": regularizer.term(step) for name, regularizer in recipe.regularizers().items()}
    added = {name: term for name, term in found.items() if term is not None}
    if not added:
        return terms
    extra = combine(added)
    return {**terms, **extra, "loss": terms["loss"] + extra["loss"]}
