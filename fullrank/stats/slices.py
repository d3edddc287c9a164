"""Embeddings along random directions, and how far these one-dimensional distributions are from a standard normal."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor

from fullrank.stats.sphere import normalize

_AT_A_TIME = 1 << 17  # numbers: so many stay in a processor's cache while the frequencies pass over them
_STEP = 3.0 / 16  # between the frequencies 0 to 3 of LeJEPA's minimal code
# Each frequency above 0, where phi is 1 whatever the embeddings, with the normal's phi and the weight of the trapezoid.
_KNOTS = [
    (t, math.exp(-t * t / 2), (1 if k < 16 else 0.5) * 2 * _STEP * math.exp(-t * t / 2))
    for k, t in ((k, k * _STEP) for k in range(1, 17))
]


def random_slices(features: int, count: int, seed: int, like: Tensor) -> Tensor:
    """Unit columns (features, count), uniform on the sphere; the same on every device and in every number format.

    Args:
        features: Dimension of the sphere's space.
        count: Number of directions.
        seed: Decides the directions.
        like: A tensor of the device and number format.

    >>> random_slices(3, 2, seed=0, like=torch.zeros(1)).norm(dim=0)
    tensor([1.0000, 1.0000])
    """
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(features, count, generator=generator, dtype=torch.float64), dim=0).to(
        like, non_blocking=True
    )


def epps_pulley(x: Tensor) -> Tensor:
    """N times the Epps-Pulley distance of each slice from a standard normal distribution.

    It is the integral of |phi(t) - e^(-t^2/2)|^2 e^(-t^2/2) dt of the characteristic function phi, by the trapezoid of
    17 knots on [0, 3], doubled, of LeJEPA's minimal code. A standard normal has 1.05 for any N, and zeros have 0.402 N.
    It takes memory for twice x.

    Args:
        x: Projections (..., N, slices).

    Returns:
        Distances (..., slices).

    >>> epps_pulley(torch.zeros(1000, 1))
    tensor([402.0476])
    """
    return cast(Tensor, _EppsPulley.apply(x)[0])


class _EppsPulley(torch.autograd.Function):
    """The distances and their slope in one pass: knot k + 1 is knot k rotated by the angle of the first."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        together = max(1, _AT_A_TIME * x.shape[-1] // max(x.numel(), 1))  # slices
        if together >= x.shape[-1]:
            return _distance_and_slope(x)
        distances, slope = [], torch.empty_like(x)
        for some, into in zip(x.split(together, -1), slope.split(together, -1), strict=True):
            distance, rising = _distance_and_slope(some)
            distances.append(distance)
            into.copy_(rising)
        return torch.cat(distances, -1), slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*inputs, output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> Tensor:
        x, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this one is asked for
            slope = sum(_slope_at(x, *knot) for knot in _KNOTS)
        return cast(Tensor, gradient.unsqueeze(-2) * slope)


def _distance_and_slope(x: Tensor) -> tuple[Tensor, Tensor]:
    first_cos, first_sin = (_STEP * x).cos_(), (_STEP * x).sin_()
    cos, sin, spare = first_cos.clone(), first_sin.clone(), torch.empty_like(first_cos)
    distance, slope = x.new_zeros(x[..., 0, :].shape), torch.zeros_like(first_cos)
    for t, normal, weight in _KNOTS:
        error, odd = cos.mean(-2, keepdim=True).sub_(normal), sin.mean(-2, keepdim=True)
        distance += weight * (error.square() + odd.square()).squeeze(-2)
        slope.addcmul_(cos, 2 * weight * t * odd).addcmul_(sin, -2 * weight * t * error)
        torch.mul(cos, first_sin, out=spare)
        cos.mul_(first_cos).addcmul_(sin, first_sin, value=-1)
        sin.mul_(first_cos).add_(spare)
    return x.shape[-2] * distance, slope


def _slope_at(x: Tensor, t: float, normal: float, weight: float) -> Tensor:
    """What one knot adds to the derivative by x."""
    cos, sin = (t * x).cos(), (t * x).sin()
    return 2 * weight * t * (sin.mean(-2, keepdim=True) * cos - (cos.mean(-2, keepdim=True) - normal) * sin)
