"""What every loss shares: its named terms, and the checks and number format of its input."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeGuard

import numpy as np
import torch
from torch import Tensor

from fullrank.errors import UserError

Terms = dict[str, Tensor]
P = ParamSpec("P")


@dataclass(frozen=True)
class Rule:
    """What a setting must be for a loss to work at all, in words and as a test, and whether it may be learned.

    >>> POSITIVE.check("nt_xent", "temperature", 0.0)
    Traceback (most recent call last):
    fullrank.errors.UserError: nt_xent got temperature=0.0: pass a number above 0.
    """

    words: str
    holds: Callable[[float], bool]
    learned: bool = False

    def check(self, loss: str, setting: str, value: object) -> None:
        """Raise a UserError if the value is not what the setting must be."""
        if isinstance(value, Tensor) and value.ndim:
            raise UserError(f"{loss} got {setting} of shape {tuple(value.shape)}: pass {self.words}, of shape ().")
        if not (_is_number(value) and self.holds(value)):
            raise UserError(f"{loss} got {setting}={' '.join(repr(value).split())}: pass {self.words}.")
        if isinstance(value, Tensor) and value.requires_grad and not self.learned:
            raise UserError(f"{loss} got {setting} with a gradient, and has none for it: detach the tensor.")


def _is_number(value: object) -> TypeGuard[float]:
    """Whether it is a real number of Python, NumPy or torch, and no truth value."""
    if isinstance(value, Tensor):
        return value.dtype != torch.bool and not value.is_complex()
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def is_whole(value: object) -> bool:
    """Whether a number is of a whole number's type: 2.0 is none.

    >>> is_whole(2), is_whole(torch.tensor(2)), is_whole(2.0)
    (True, True, False)
    """
    return hasattr(value, "__index__") and not (isinstance(value, Tensor) and value.is_floating_point())


POSITIVE = Rule("a number above 0", lambda value: 0 < value < math.inf, learned=True)
CONSTANT = Rule(POSITIVE.words, POSITIVE.holds)
WEIGHT = Rule("a number that is not negative", lambda value: 0 <= value < math.inf)
SHARE = Rule("a number from 0 to 1", lambda value: 0 <= value <= 1)
STEPS = Rule("a whole number that is not negative", lambda value: is_whole(value) and value >= 0)
COUNT = Rule("a whole number of at least 1", lambda value: is_whole(value) and value >= 1)


def combine(weighted: Mapping[str, tuple[float, Tensor]]) -> Terms:
    """The named terms as they are, and their weighted sum as "loss".

    Args:
        weighted: Name -> (weight, value), each value a number.

    >>> combine({"invariance": (25.0, torch.tensor(2.0)), "covariance": (1.0, torch.tensor(3.0))})
    {'invariance': tensor(2.), 'covariance': tensor(3.), 'loss': tensor(53.)}
    """
    terms = {name: value for name, (_, value) in weighted.items()}
    (weight, value), *others = weighted.values()
    loss = weight * value
    for weight, value in others:
        loss = torch.add(loss, value, alpha=weight)
    return {**terms, "loss": loss}


def mean_of_two_views(values: Tensor) -> Tensor:
    """The mean of values (V, V, N) of two views and a sample, over all ordered pairs of different views.

    >>> mean_of_two_views(torch.tensor([[[9.0], [1.0]], [[2.0], [9.0]]]))
    tensor(1.5000)
    """
    views = len(values)
    same = torch.eye(views, dtype=torch.bool, device=values.device)[:, :, None]
    return values.masked_fill(same, 0.0).sum() / (views * (views - 1) * values.shape[2])


def mean_of(values: Sequence[Tensor]) -> Tensor:
    """The mean of some tensors of one shape; of a single one, itself, without the cost of a copy.

    >>> mean_of([torch.tensor(1.0), torch.tensor(2.0)])
    tensor(1.5000)
    """
    return values[0] if len(values) == 1 else torch.stack(list(values)).mean(0)


def embedding_loss(
    *, min_views: int = 2, min_samples: int = 2, settings: Mapping[str, Rule] | None = None
) -> Callable[[Callable[P, Terms]], Callable[P, Terms]]:
    """Decorate a loss of z (V, N, D): check z and settings, lift half precision to float32, and switch autocast off.

    Covariances, eigenvalues and log-sum-exps are wrong in half precision by up to 1000 times near collapse;
    float64 stays float64. The first argument holds embeddings, and so does every other that is annotated as a
    Tensor, if it is passed and not None: a target may have other views than its prediction, but must match it in
    samples, features and device.

    Args:
        min_views: The fewest views of the first argument; any other needs one.
        min_samples: The fewest samples.
        settings: What the values of single settings must be.

    Raises:
        UserError: An argument is not a floating (V, N, D) tensor with enough views and samples, does not match the
            first one, or a setting cannot work.

    >>> @embedding_loss()
    ... def spread(z: Tensor) -> Terms:
    ...     return combine({"spread": (-1.0, z.var())})
    >>> spread(z=torch.zeros(2, 8, 4, dtype=torch.bfloat16))["spread"].dtype
    torch.float32
    >>> spread(torch.zeros(8, 4))
    Traceback (most recent call last):
    fullrank.errors.UserError: spread got z of shape (8, 4): pass embeddings as (views, samples, features).
    """

    def decorate(loss: Callable[P, Terms]) -> Callable[P, Terms]:
        name, function, signature = loss.__name__, _untyped(loss), inspect.signature(loss)
        first, *others = _embeddings(signature)
        defaults = {each.name: each.default for each in signature.parameters.values()}

        @functools.wraps(loss)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Terms:
            try:
                given = signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(f"{name}(): {error}") from None
            arguments = given.arguments
            check_settings(name, settings or {}, arguments, defaults)
            _check(arguments[first], name, first, min_views, min_samples)
            present = [other for other in others if arguments.get(other) is not None]
            for other in present:
                _check(arguments[other], name, other, 1, min_samples)
                _match(arguments[first], arguments[other], name, first, other)
            arguments.update({key: _lift(arguments[key]) for key in (first, *present)})
            with torch.autocast(arguments[first].device.type, enabled=False):
                return function(*given.args, **given.kwargs)

        vars(checked)["rules"] = settings or {}
        return checked

    return decorate


def rules(loss: Callable[..., Terms]) -> Mapping[str, Rule]:
    """What the settings of a decorated loss must be, by name."""
    found: Mapping[str, Rule] = vars(loss).get("rules", {})
    return found


def check_settings(
    loss: str, settings: Mapping[str, Rule], given: Mapping[str, object], defaults: Mapping[str, object]
) -> None:
    """Raise a UserError if a setting that was given, and is not its default, cannot work; None is a default of some.

    >>> check_settings("nt_xent", {"temperature": POSITIVE}, {"temperature": None}, {"temperature": 0.5})
    Traceback (most recent call last):
    fullrank.errors.UserError: nt_xent got temperature=None: pass a number above 0.
    """
    for name, rule in settings.items():
        if name in given and given[name] is not defaults[name]:
            rule.check(loss, name, given[name])


def _untyped(loss: Callable[P, Terms]) -> Callable[..., Terms]:
    """The same function, for a call whose arguments were bound to its signature before."""
    return loss


def _embeddings(signature: inspect.Signature) -> list[str]:
    """The first parameter, and all that are annotated as tensors."""
    tensors = (Tensor, "Tensor", "torch.Tensor")
    first, *others = signature.parameters.values()
    return [first.name, *(other.name for other in others if other.annotation in tensors)]


def _lift(z: Tensor) -> Tensor:
    return z if z.dtype == torch.float64 else z.float()


def _check(z: object, loss: str, name: str, min_views: int, min_samples: int) -> None:
    if not isinstance(z, Tensor):
        raise UserError(f"{loss} got {name} of type {type(z).__name__}: pass a torch tensor.")
    shape = tuple(z.shape)
    if z.ndim != 3:
        raise UserError(f"{loss} got {name} of shape {shape}: pass embeddings as (views, samples, features).")
    if not z.is_floating_point():
        raise UserError(f"{loss} got {name} of {z.dtype}: pass floating-point embeddings.")
    if shape[1] == 1 < min_samples:
        raise UserError(
            f"{loss} got {name} of shape {shape}, a batch of one sample, which has no other to be told from: "
            f"pass {min_samples} or more, and drop_last=True to the DataLoader if it is the last batch."
        )
    if shape[0] < min_views or shape[1] < min_samples or shape[2] < 1:
        raise UserError(
            f"{loss} got {name} of shape {shape}, (views, samples, features): "
            f"pass at least {min_views} view(s) of at least {min_samples} sample(s) with features."
        )


def _match(z: Tensor, other: Tensor, loss: str, first: str, name: str) -> None:
    """Raise a UserError if two arguments differ in samples, features or device; their views may differ."""
    if z.shape[1:] != other.shape[1:]:
        raise UserError(
            f"{loss} got {first} of shape {tuple(z.shape)} and {name} of shape {tuple(other.shape)}: "
            "pass the same samples and features in both."
        )
    if z.device != other.device:
        raise UserError(f"{loss} got {first} on {z.device} and {name} on {other.device}: pass both on one device.")


def finite_or(old: Tensor, new: Tensor) -> Tensor:
    """The new state of a loss, or the old one where the new is not finite: one bad step does not spoil the next ones.

    >>> finite_or(torch.zeros(2), torch.tensor([1.0, torch.nan]))
    tensor([0., 0.])
    """
    return torch.where(new.isfinite().all(), new, old)


def check_features(z: Tensor, loss: str, features: int) -> None:
    """Raise a UserError if z (V, N, D) does not have the features that a loss with a state was made for."""
    if z.shape[2] != features:
        raise UserError(f"{loss} got z of shape {tuple(z.shape)}, but was made for {features} features: pass those.")
