"""What the laws of losses look at: a loss as a number, its gradient, a step down, and the rate of a revival."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import torch
from torch import Tensor

from fullrank.losses import Terms
from fullrank.testing.clouds import aligned, noise, spread_cloud, subspace

Loss = Callable[[Tensor], Terms]


def value(loss: Loss, z: Tensor) -> float:
    """The loss of z (V, N, D) as a number."""
    return float(loss(z)["loss"].detach())


def gradient(loss: Loss, z: Tensor) -> Tensor:
    """The gradient of the loss at z (V, N, D); AssertionError if there is none."""
    leaf = z.detach().clone().requires_grad_()
    answer = loss(leaf)["loss"]
    if not answer.requires_grad:
        fail(f"on {sizes(z)} the loss {float(answer):g} has no gradient")
    (slope,) = torch.autograd.grad(answer, leaf, allow_unused=True)
    return torch.zeros_like(leaf) if slope is None else slope


def descend(loss: Loss, z: Tensor) -> Tensor:
    """One step down the gradient that moves z (N, D), seen by both views, by a thousandth of its size."""
    direction = gradient(loss, aligned(z)).sum(0)
    size = float(direction.norm() * z.norm())
    if not size > 1e-6:  # what is left is rounding
        fail(f"the gradient of {sizes(z)} is {size:.1g} of the norm of the input, which moves nothing")
    return z - 1e-3 * float(z.norm() / direction.norm()) * direction


def relative_spread(z: Tensor) -> float:
    """The norm of the centered z (N, D) over that of z."""
    return float((z - z.mean(0)).norm() / z.norm())


def revival(loss: Loss, seed: int, *, ratio: float = 1e-3) -> float:
    """Rate of the log of what 64 samples have in 12 of 16 dimensions, as they descend, each by its own gradient.

    Four dimensions are alive, of mean square 4; the others start with `ratio` of noise.
    """
    cloud, kept = spread_cloud(64, 16), subspace(16, rank=4, seed=seed)
    missing = torch.eye(16, dtype=torch.float64) - kept
    z = 2 * cloud @ kept + ratio * noise(64, 16, seed=seed + 100) @ missing
    residue = (z - z.mean(0)) @ missing
    return -64 * float((gradient(loss, aligned(z)).sum(0) * residue).sum() / residue.square().sum())


def fail(sentence: str) -> NoReturn:
    """Raise the AssertionError of a broken law."""
    raise AssertionError(sentence)


def sizes(z: Tensor) -> str:
    """The shape of z (N, D) or (V, N, D) in words.

    >>> sizes(torch.ones(2, 8, 4))
    '2 views of 8 samples of 4 features'
    """
    *views, n, d = z.shape
    return f"{views[0]} views of {n} samples of {d} features" if views else f"{n} samples of {d} features"


def number_format(z: Tensor) -> str:
    """The number format without torch's name."""
    return str(z.dtype).removeprefix("torch.")
