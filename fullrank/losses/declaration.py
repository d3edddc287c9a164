"""What a loss says about itself, beside its formula: read by the contract tests and by docs/losses.md."""

from __future__ import annotations

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


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """Formula and cost of a loss, the weights of its terms, and the laws of the contract that it breaks.

    The formula is that of a pair of views, and the cost that of one value up to a constant. u, v: unit rows of two
    views, c: their cosine, C: centered covariance over the samples, l: its eigenvalues, p: eigenvalues over their sum,
    X: features of unit length, V views, N samples, D features, K = min(N, D).

    Attributes:
        formula: The loss in one line.
        cost: Multiplications of one value for two views.
        weights: Of the terms that do not count once, as documented.
        breaks: Name of a law in `LAWS` -> why the loss does not hold it; it holds all others.
    """

    formula: str
    cost: str
    weights: Mapping[str, float] = field(default_factory=dict)
    breaks: Mapping[str, str] = field(default_factory=dict)


def declare(
    *, formula: str, cost: str, weights: Mapping[str, float] | None = None, breaks: Mapping[str, str] | None = None
) -> Callable[[Loss], Loss]:
    """Decorate a loss, a function or a class, with its `Declaration`.

    >>> @declare(formula="mean ‖u − v‖²", cost="ND")
    ... def pull(z): ...
    >>> declaration(pull).cost
    'ND'
    """

    def decorate(loss: Loss) -> Loss:
        setattr(loss, _KEY, Declaration(formula=formula, cost=cost, weights=weights or {}, breaks=breaks or {}))
        return loss

    return decorate


def declaration(loss: Callable[..., object]) -> Declaration:
    """What a declared loss says about itself."""
    found: Declaration = getattr(loss, _KEY)
    return found
