"""What every loss shares: its named terms, and the checks and number format of its input."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Concatenate, ParamSpec

import torch
from torch import Tensor

from fullrank.errors import UserError

Terms = dict[str, Tensor]
P = ParamSpec("P")


def combine(weighted: Mapping[str, tuple[float, Tensor]]) -> Terms:
    """Terms from name -> (weight, value): the values as they are, and their weighted sum under "loss".

    >>> combine({"invariance": (25.0, torch.tensor(2.0)), "covariance": (1.0, torch.tensor(3.0))})
    {'invariance': tensor(2.), 'covariance': tensor(3.), 'loss': tensor(53.)}
    """
    terms = {name: value for name, (_, value) in weighted.items()}
    loss = torch.stack([weight * value for weight, value in weighted.values()]).sum()
    return {**terms, "loss": loss}


def embedding_loss(
    *, min_views: int = 2, min_samples: int = 2
) -> Callable[[Callable[Concatenate[Tensor, P], Terms]], Callable[Concatenate[Tensor, P], Terms]]:
    """Decorate a loss of z (V, N, D): check z, lift half precision to float32, and switch autocast off.

    Covariances, eigenvalues and log-sum-exps are wrong in half precision by up to 1000 times near collapse;
    float64 stays float64. UserError if z is not a floating (V, N, D) tensor with enough views and samples.

    >>> @embedding_loss()
    ... def spread(z: Tensor) -> Terms:
    ...     return combine({"spread": (-1.0, z.var())})
    >>> spread(torch.zeros(2, 8, 4, dtype=torch.bfloat16))["spread"].dtype
    torch.float32
    >>> spread(torch.zeros(8, 4))
    Traceback (most recent call last):
    fullrank.errors.UserError: spread got z of shape (8, 4): pass embeddings as (views, samples, features).
    """

    def decorate(loss: Callable[Concatenate[Tensor, P], Terms]) -> Callable[Concatenate[Tensor, P], Terms]:
        @functools.wraps(loss)
        def checked(z: Tensor, /, *args: P.args, **kwargs: P.kwargs) -> Terms:
            _check(z, loss.__name__, min_views, min_samples)
            with torch.autocast(z.device.type, enabled=False):
                return loss(z if z.dtype == torch.float64 else z.float(), *args, **kwargs)

        return checked

    return decorate


def _check(z: Tensor, name: str, min_views: int, min_samples: int) -> None:
    shape = tuple(z.shape)
    if z.ndim != 3:
        raise UserError(f"{name} got z of shape {shape}: pass embeddings as (views, samples, features).")
    if not z.is_floating_point():
        raise UserError(f"{name} got z of {z.dtype}: pass floating-point embeddings.")
    if shape[0] < min_views or shape[1] < min_samples or shape[2] < 1:
        raise UserError(
            f"{name} got z of shape {shape}, (views, samples, features): "
            f"pass at least {min_views} view(s) of at least {min_samples} sample(s) with features."
        )
