"""What a loss says about itself, beside its formula: read by the contract, by diagnoses and by docs/losses.md."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from torch import Tensor

Loss = TypeVar("Loss", bound=Callable[..., object])
_KEY = "declaration"
Weight = float | Callable[[Tensor], float]  # a number, or what it is for embeddings z (V, N, D)

LAWS = {
    "point": "one point costs more than a spread cloud",
    "shape": "few dimensions and few clusters cost more than a spread cloud",
    "norm": "shrinking a cloud costs something, or the loss does not see the norm",
    "escape": "a step from almost one point spreads",
    "escape of few samples": "a step from almost one point spreads, with fewer samples than features",
    "rank": "a step from almost four dimensions raises the effective rank",
    "revival": "dimensions that are missing grow",
    "pairing": "mixing up which views belong together costs something",
    "gradient": "the gradient is that of the value",
    "second derivative": "the second derivative is that of the gradient, or asking for it is an error",
    "functional": "torch.func.grad gives the same gradient",
    "finite": "constants, zeros, dead features, duplicates and norms up to 10,000 stay finite",
    "large norms": "norms beyond 1e9 stay finite in float32",
    "half precision": "half precision and autocast cost the rounding of the input and nothing more",
    "double precision": "float64 stays float64, with the value of float32",
    "NaN": "NaN or infinity in the embeddings is one in the loss and in its gradient, and no error",
    "order of samples": "the order of samples does not matter",
    "order of views": "the order of views does not matter",
    "rotation": "a rotation of the features does not matter",
    "mean over pairs": "many views cost the mean over their pairs",
    "input": "what is not a floating (views, samples, features) tensor is refused in a sentence",
    "terms": "the loss is the weighted sum of its terms, each a number",
    "plateau": "one point has the declared value",
    "target": "the target gets no gradient",
    "matching": "predictions that match the other view's targets cost less than others",
    "scale": "the scale of predictions and targets does not matter",
}
"""The laws that `fullrank.testing.check_loss` tries; the last three are of predictions and targets."""


@dataclass(frozen=True)
class Point:
    """The value of a loss with its defaults, of two views, when all samples are one point: the plateau of a collapse.

    Attributes:
        formula: The value, as a function of the settings that its parameters name: batch_size, dims or prototypes.
        words: The formula for a reader, with the names of the settings in braces; "" if the number says enough.
        at_zero: Whether it is the value at zeros, since that of another point depends on where the point is.

    >>> plateau = Point(lambda prototypes: 2 * prototypes, "2 x {prototypes}")
    >>> plateau.needs, plateau({"prototypes": 4, "dims": 8}), plateau.written({"prototypes": 4})
    (('prototypes',), 8.0, '2 x 4')
    """

    formula: Callable[..., float]
    words: str = ""
    at_zero: bool = False

    @property
    def needs(self) -> tuple[str, ...]:
        """The settings on which the value depends."""
        return tuple(inspect.signature(self.formula).parameters)

    def __call__(self, settings: Mapping[str, float]) -> float:
        """The value, from the settings that it needs."""
        return float(self.formula(*(settings[name] for name in self.needs)))

    def written(self, settings: Mapping[str, float]) -> str:
        """The words with the settings in them."""
        return self.words.format(**{name: f"{settings[name]:g}" for name in self.needs})

    @classmethod
    def constant(cls, value: float) -> Point:
        """The same value always."""
        return cls(lambda: value)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What a loss is, what it costs, what it cannot see, and the laws of the contract that it breaks.

    The formula is that of a pair of views, and the cost that of one value up to a constant. u, v: unit rows of two
    views, c: their cosine, C: centered covariance over the samples, l: its eigenvalues, p: eigenvalues over their sum,
    X: features of unit length, V views, N samples, D features, K = min(N, D).

    Attributes:
        formula: The loss in one line.
        cost: Multiplications of one value for two views.
        point: Its value when all samples are one point; with a state, once that has settled there.
        blind_to: What it cannot see, as its docstring says it after "Blind to:".
        weights: Of the terms that do not count once, as documented; a function of z (V, N, D) if its shape decides.
        breaks: Name of a law in `LAWS` -> why the loss does not hold it; it holds all others.
    """

    formula: str
    cost: str
    point: Point
    blind_to: str
    weights: Mapping[str, Weight] = field(default_factory=dict)
    breaks: Mapping[str, str] = field(default_factory=dict)


_SHARED = {  # sections that the docstrings of all losses share
    "Returns:": 'Returns:\n    The named terms, each a number, and their weighted sum as "loss".',
    "Raises:": "Raises:\n    UserError: An argument is not a floating (V, N, D) tensor of enough views and samples, "
    "or a setting cannot work.",
}


def declare(
    *,
    formula: str,
    cost: str,
    point: float | Point,
    blind_to: str,
    weights: Mapping[str, Weight] | None = None,
    breaks: Mapping[str, str] | None = None,
) -> Callable[[Loss], Loss]:
    """Decorate a loss, a function or a class, with its `Declaration`.

    Its docstring gets what all losses share, unless it says it itself, and what the loss is blind to.

    >>> @declare(formula="mean ‖u − v‖²", cost="ND", point=0.0, blind_to="every collapse.")
    ... def pull(z):
    ...     '''Pull views together.'''
    >>> declaration(pull).point({})
    0.0
    >>> print(pull.__doc__)
    Pull views together.
    <BLANKLINE>
    Returns:
        The named terms, each a number, and their weighted sum as "loss".
    <BLANKLINE>
    Raises:
        UserError: An argument is not a floating (V, N, D) tensor of enough views and samples, or a setting cannot work.
    <BLANKLINE>
    Blind to: every collapse.
    """
    value = point if isinstance(point, Point) else Point.constant(point)
    told = Declaration(
        formula=formula, cost=cost, point=value, blind_to=blind_to, weights=weights or {}, breaks=breaks or {}
    )

    def decorate(loss: Loss) -> Loss:
        setattr(loss, _KEY, told)
        text, mark, example = inspect.cleandoc(loss.__doc__ or "").partition("\n\n>>> ")
        missing = [section for name, section in _SHARED.items() if inspect.isfunction(loss) and name not in text]
        loss.__doc__ = "\n\n".join([text, *missing, f"Blind to: {blind_to}{mark}{example}"])
        return loss

    return decorate


def declared(loss: Callable[..., object]) -> Declaration | None:
    """What a loss says about itself, None if it says nothing."""
    found: Declaration | None = getattr(loss, _KEY, None)
    return found


def declaration(loss: Callable[..., object]) -> Declaration:
    """What a declared loss says about itself."""
    found: Declaration = getattr(loss, _KEY)
    return found


def sibling(name: str, losses: Iterable[Callable[..., object]]) -> str | None:
    """The loss that the name of a paper or a recipe means, by the first line of the loss's file.

    >>> from fullrank.losses import LOSSES
    >>> sibling("emp_ssl", LOSSES), sibling("lejepa", LOSSES)
    ('coding_rate', 'sigreg')
    """
    for loss in losses:
        header = (sys.modules[loss.__module__].__doc__ or "").partition(")")[0]
        if _letters(name) and _letters(name) in _letters(header):
            return loss.__name__
    return None


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).lower()
