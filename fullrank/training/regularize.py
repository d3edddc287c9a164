"""Terms that flags add to the loss of any method, and a trial of the whole loss before there is a folder."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import get_args

import torch
from torch import nn

from fullrank.engine.memory import memory_is_an_error
from fullrank.errors import UserError, as_given
from fullrank.losses import Terms, combine
from fullrank.losses.energy import weights_of_layers
from fullrank.methods import Method, Outputs
from fullrank.recipes import Recipe, settings
from fullrank.regularizers import Step
from fullrank.regularizers.energy import Network

_FEW, _NUMBERS = 256, 2**22  # samples of a trial, and numbers of its largest output


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


def require_loss(recipe: Recipe, method: Method, sizes: Sequence[int], batch_size: int) -> None:
    """Raise a UserError for what the loss of a recipe or its regularizers refuse, by computing them once on noise.

    The method is left as it is, and so are the random numbers. `sizes` are those of the views in pixels. Few samples
    are tried first, since they cost little, and a whole batch where those do not do. What else a loss of one's own
    raises on noise, before there are processes or a GPU, says nothing of a step.
    """
    enough = memory_is_an_error("a smaller --image-size, --batch-size or --backbone")
    with by_flag(recipe), torch.random.fork_rng(devices=[]), _refusals_alone(), enough:
        trial = copy.deepcopy(method)
        with torch.no_grad():
            outputs = trial.eval()([torch.zeros(2, method.encoder.channels, size, size) for size in sizes])
        _require_parts(recipe, trial.train(), outputs)
        widest = max(output[:, 0].numel() for output in outputs.values())
        few = min(batch_size, _FEW, max(2, _NUMBERS // widest))
        try:
            _compute(recipe, trial, outputs, few)
        except Exception:
            if few == batch_size:
                raise
            _compute(recipe, trial, outputs, batch_size)


@contextmanager
def _refusals_alone() -> Iterator[None]:
    """During the body, an error that is not a UserError ends it without a word."""
    try:
        yield
    except UserError:
        raise
    except Exception:
        return


def _compute(recipe: Recipe, method: Method, outputs: Outputs, samples: int) -> None:
    """The loss of so many samples of noise in the place of the outputs (V, N, D)."""
    generator = torch.Generator().manual_seed(0)
    noise = {
        name: torch.randn(len(output), samples, *output.shape[2:], generator=generator, dtype=output.dtype)
        for name, output in outputs.items()
    }
    noise = {name: output.requires_grad_() for name, output in noise.items()}  # a loss may take its gradient
    regularize(method.loss(noise), noise, method, recipe, epoch=1, epochs=1)


def _require_parts(recipe: Recipe, method: Method, outputs: Outputs) -> None:
    """Raise a UserError where a regularizer is for an output or networks that the method does not have."""
    networks = [name for name in get_args(Network) if _has_energy(getattr(method, name, None))]
    if recipe.energy.energy and not {*recipe.energy.energy_on} & {*networks}:
        on = " ".join(recipe.energy.energy_on)
        remedy = f"pass {' or '.join(networks)}" if networks else "leave out --energy"
        raise UserError(f"--energy-on {on} names no network of this method that has layers: {remedy}.")
    if recipe.uniform_on not in outputs:
        known = " or ".join(name for name in ("embedding", "representation") if name in outputs)
        raise UserError(
            f"--uniform-on {recipe.uniform_on} has nothing to spread, as this method gives none: pass {known}."
        )


@contextmanager
def by_flag(recipe: Recipe) -> Iterator[None]:
    """Let what a loss refuses of a setting name the flag that has its value."""
    try:
        yield
    except UserError as error:
        found = re.fullmatch(r"(\w+) got (\w+)=(.+?): (pass .*)", str(error))
        names = [] if found is None else _settings_of(recipe, found[2], found[3])
        if found is None or len(names) != 1:
            raise
        given = as_given(names[0], settings(recipe)[names[0]])
        raise UserError(f"{given} cannot work in {found[1]}: {found[4]}") from error


def _settings_of(recipe: Recipe, name: str, value: str) -> list[str]:
    """The setting of that name, or those that only this recipe has, with the value that is written so."""
    same = [setting for setting, one in settings(recipe).items() if repr(one) == value]
    return [setting for setting in same if setting == name] or [
        setting for setting in same if setting not in settings(Recipe())
    ]


def _has_energy(part: object) -> bool:
    return isinstance(part, nn.Module) and bool(weights_of_layers(part))
