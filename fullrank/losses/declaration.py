"""What a loss says about itself, beside its formula: read by the contract, by diagnoses and by docs/losses.md."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

Loss = TypeVar("Loss", bound=Callable[..., object])
_KEY = "declaration"

LAWS = {
    "point": "one point costs more than a spread cloud",
    "shape": "few dimensions and few clusters cost more than a spread cloud",
    "norm": "shrinking a cloud costs something, or the loss does not see the norm",
    "escape": "a step from almost one point spreads",
    "escape of few samples": "so does one of fewer samples than features",
    "rank": "a step from almost rank 4 raises the effective rank",
    "revival": "dimensions that are missing grow",
    "pairing": "mixing up which views belong together costs something",
    "gradient": "the gradient is that of the value",
    "large norms": "norms beyond 1e9 stay finite in float32",
    "order of views": "the order of views does not matter",
    "rotation": "a rotation of the features does not matter",
    "mean over pairs": "many views cost the mean over their pairs",
}
"""The laws of the contract (`tests/test_contract_losses.py`) that a loss may break, if it says why."""


@dataclass(frozen=True)
class Point:
    """The value of a loss with its defaults, of two views, when all samples are one point: the plateau of a collapse.

    Attributes:
        formula: The value, from the settings that its parameters name: batch_size, dims or prototypes.
        words: The formula for a reader, with the names of the settings in braces; "" if the number says enough.
        at_zero: It is the value of zeros, since that of another point depends on where the point is.

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
        """The value; of the settings those are taken that it needs."""
        return float(self.formula(*(settings[name] for name in self.needs)))

    def written(self, settings: Mapping[str, float]) -> str:
        """The words with the settings in them."""
        return self.words.format(**{name: f"{settings[name]:g}" for name in self.needs})


def _constant(value: float) -> Point:
    return Point(lambda: value)


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
        weights: Of the terms that do not count once, as documented.
        breaks: Name of a law in `LAWS` -> why the loss does not hold it; it holds all others.
    """

    formula: str
    cost: str
    point: Point
    blind_to: str
    weights: Mapping[str, float] = field(default_factory=dict)
    breaks: Mapping[str, str] = field(default_factory=dict)


def declare(
    *,
    formula: str,
    cost: str,
    point: float | Point,
    blind_to: str,
    weights: Mapping[str, float] | None = None,
    breaks: Mapping[str, str] | None = None,
) -> Callable[[Loss], Loss]:
    """Decorate a loss, a function or a class, with its `Declaration`, and its docstring with what it is blind to.

    >>> @declare(formula="mean ‖u − v‖²", cost="ND", point=0.0, blind_to="every collapse.")
    ... def pull(z):
    ...     '''Pull views together.'''
    >>> declaration(pull).point({})
    0.0
    >>> print(pull.__doc__)
    Pull views together.
    <BLANKLINE>
    Blind to: every collapse.
    """
    value = point if isinstance(point, Point) else _constant(point)
    told = Declaration(
        formula=formula, cost=cost, point=value, blind_to=blind_to, weights=weights or {}, breaks=breaks or {}
    )

    def decorate(loss: Loss) -> Loss:
        setattr(loss, _KEY, told)
        text, mark, example = inspect.cleandoc(loss.__doc__ or "").partition("\n\n>>> ")
        loss.__doc__ = f"{text}\n\nBlind to: {blind_to}{mark}{example}"
        return loss

    return decorate


def declaration(loss: Callable[..., object]) -> Declaration:
    """What a declared loss says about itself."""
    found: Declaration = getattr(loss, _KEY)
    return found
