"""The contract of a loss, for anyone's: `check_loss` tries every law, and says which one breaks on which numbers."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from fullrank.losses import Terms
from fullrank.losses.declaration import LAWS, Point, Weight, declared
from fullrank.testing.clouds import noise
from fullrank.testing.laws import chosen, judged, raise_all
from fullrank.testing.loss_laws import LOSS_LAWS
from fullrank.testing.loss_values import fail
from fullrank.testing.pair_laws import PAIR_LAWS

_LAST = ("terms", "plateau")
laws_of_losses = (*LOSS_LAWS, *_LAST)
"""The laws of a loss of embeddings z (V, N, D), for `pytest.mark.parametrize`."""
laws_of_pair_losses = (*PAIR_LAWS, *_LAST)
"""The laws of a loss of predictions and targets, both (V, N, D)."""

_POINT = torch.tensor([1.0, 2.0, 3.0, 4.0, -2.0, 0.5], dtype=torch.float64)
_SETTLED = 270  # steps after which a memory of 0.9 is forgotten, and a queue of 4096 is full


def check_loss(
    loss: Callable[..., Any],
    *,
    law: str | None = None,
    breaks: Mapping[str, str] | None = None,
    weights: Mapping[str, Weight] | None = None,
    point: float | Point | None = None,
    name: str | None = None,
) -> None:
    """Hold a loss to the contract: collapse costs, a step away from it spreads, and numbers are right in any format.

    What the loss has declared (`fullrank.losses.declaration.declare`) is the default of breaks, weights and point.

    Args:
        loss: A function of embeddings z (V, N, D) that returns a scalar, or named terms with their weighted sum under
            "loss"; or of predictions and targets, both (V, N, D). A class is made with the number of features, and one
            module is copied, before each law, so that every law sees its first step.
        law: The one to check, of `laws_of_losses` or `laws_of_pair_losses`; all if None.
        breaks: The laws that it breaks, each with the reason; these are tested to be broken.
        weights: Of the terms that do not count once.
        point: Its value when all samples are one point; not checked if None.
        name: What to call it in sentences.

    Raises:
        AssertionError: It breaks a law, or holds one that it is said to break: the law, the input and the numbers.
        UserError: There is no such law.

    Blind to: what random clouds of at most 64 samples do not show, and to whether a network trains well with it.

    >>> from fullrank.losses import alignment, vicreg
    >>> check_loss(vicreg)
    >>> check_loss(alignment, law="point", breaks={})
    Traceback (most recent call last):
    AssertionError: alignment breaks the law "point" (one point costs more than a spread cloud): 64 samples of 16
    features cost 0 spread and 0 in one point.
    """
    told = declared(getattr(loss, "function", loss))  # a module form says what its function says
    tried = _Tried(loss, name or _name(loss), _takes_pairs(loss), breaks or {}, weights or {}, point)
    if told is not None:
        tried = replace(
            tried,
            breaks=told.breaks if breaks is None else breaks,
            weights=told.weights if weights is None else weights,
            point=told.point if point is None else point,
        )
    laws = chosen(tried.name, law, tried.breaks, laws_of_pair_losses if tried.pairs else laws_of_losses)
    raise_all([judged(tried.name, each, LAWS[each], partial(_try, tried, each), tried.breaks) for each in laws])


@dataclass(frozen=True)
class _Tried:
    """A loss on trial, and what it says about itself."""

    loss: Callable[..., Any]
    name: str
    pairs: bool
    breaks: Mapping[str, str]
    weights: Mapping[str, Weight]
    point: float | Point | None

    def fresh(self, *z: Tensor) -> Terms:
        """The named terms of its first step."""
        return _terms(self.made(z[0])(*z))

    def made(self, z: Tensor) -> Callable[..., Any]:
        """The loss, or a new module of it for z (V, N, D), of which only z is trained."""
        loss = self.loss
        if isinstance(loss, type):
            views = {"views": len(z)} if "views" in inspect.signature(loss).parameters else {}
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                loss = loss(*([z.shape[-1]] if _needs(loss) else []), **views)
        elif isinstance(loss, nn.Module):
            loss = copy.deepcopy(loss)
        if isinstance(loss, nn.Module):
            loss = loss.requires_grad_(False)
            loss = loss.double() if z.dtype == torch.float64 else loss
        return loss


def _try(tried: _Tried, law: str) -> None:
    if law == "terms":
        _add_up(tried)
    elif law == "plateau":
        _stands_at_its_plateau(tried)
    elif tried.pairs:
        PAIR_LAWS[law](tried.fresh)
    else:
        LOSS_LAWS[law](tried.fresh)


def _add_up(tried: _Tried) -> None:
    z = (noise(3, 12, 6), noise(3, 12, 6, seed=1))[: 2 if tried.pairs else 1]
    terms = tried.fresh(*z)
    total = float(terms.pop("loss").detach())
    unknown = sorted(set(tried.weights) - set(terms))
    if unknown:
        fail(f"weights names {unknown[0]}, and the terms are {', '.join(terms) or 'none'}")
    for name, term in terms.items():
        if term.ndim:
            fail(f"the term {name} has the shape {tuple(term.shape)}, and is not a number")
    weights = {name: weight(z[0]) if callable(weight) else weight for name, weight in tried.weights.items()}
    parts = {name: weights.get(name, 1.0) * float(term.detach()) for name, term in terms.items()}
    if parts and not math.isclose(total, sum(parts.values()), rel_tol=1e-12):
        written = " + ".join(f"{value:.6g} ({name})" for name, value in parts.items())
        fail(f"3 views of 12 samples cost {total:.6g}, and the terms with their weights are {written}")


def _stands_at_its_plateau(tried: _Tried) -> None:
    """Two views at one point, zeros if it says so; a loss with a state has seen that point for long."""
    if tried.point is None:
        return
    point = tried.point if isinstance(tried.point, Point) else Point.constant(tried.point)
    for n, d in ((8, 4), (20, 6)):
        at = torch.zeros(d, dtype=torch.float64) if point.at_zero else _POINT[:d]
        z = at.expand(2, n, d)
        made, inputs = tried.made(z), (z, z) if tried.pairs else (z,)
        for _ in range(_SETTLED if isinstance(made, nn.Module) and made.state_dict() else 0):
            made(*inputs)
        found = float(_terms(made(*inputs))["loss"].detach())
        expected = point({"batch_size": n, "dims": d, "prototypes": len(getattr(made, "prototypes", at))})
        if not math.isclose(found, expected, rel_tol=1e-6, abs_tol=1e-7):
            fail(f"{n} samples of {d} features, two views, all at one point cost {found:.8g}, not {expected:.8g}")


def _terms(answer: Any) -> Terms:
    """Named terms, of a loss that returns those or a scalar."""
    if isinstance(answer, Tensor):
        return {"loss": answer}
    if not isinstance(answer, Mapping) or "loss" not in answer:
        fail(f'it returned a {type(answer).__name__}, and no scalar, nor named terms with their sum under "loss"')
    return dict(answer)


def _takes_pairs(loss: Callable[..., Any]) -> bool:
    """Whether it is called with two arguments, predictions and targets."""
    called = loss.forward if isinstance(loss, nn.Module | type) and hasattr(loss, "forward") else loss
    return _needs(called) - isinstance(loss, type) == 2  # of a class, the first one is the module


def _needs(called: Callable[..., Any]) -> int:
    """How many arguments a call must pass in their order."""
    needed = [
        each
        for each in inspect.signature(called).parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    return len(needed)


def _name(loss: Callable[..., Any]) -> str:
    """Its own, or that of what a partial wraps, or of its class."""
    inner = getattr(loss, "func", loss)
    return getattr(inner, "__name__", None) or type(inner).__name__
