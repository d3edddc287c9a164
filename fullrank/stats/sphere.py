"""Points on the unit sphere."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from fullrank.stats.pairs.shares import parts, place, refuse, starts

_CHUNK = 1024  # rows a block: at most 1024 x N kernel values at a time
_FEW = 65536  # numbers, up to which a gradient of our own takes longer to call than it saves
_ROWS = 64  # of a block that are summed at once


def normalize(z: Tensor, dim: int = -1) -> Tensor:
    """Scale to unit length along `dim`; zero vectors stay zero, with a finite gradient.

    It divides by the largest entry first, so that norms from 1e-38 to 1e38 neither overflow nor vanish.

    >>> normalize(torch.tensor([[3.0, 4.0], [0.0, 0.0], [3e30, 4e30]]))
    tensor([[0.6000, 0.8000],
            [0.0000, 0.0000],
            [0.6000, 0.8000]])
    """
    units: Tensor = (_normalize if z.numel() < _FEW else _Normalize.apply)(z, dim)[0]
    return units


def _normalize(z: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
    """Unit vectors, and the two lengths that z was divided by."""
    values = z.detach()
    largest = torch.maximum(values.amax(dim, keepdim=True), -values.amin(dim, keepdim=True))
    largest.masked_fill_(largest == 0, 1.0)
    scaled = z / largest
    norm = torch.linalg.vector_norm(scaled, dim=dim, keepdim=True)
    norm = norm.masked_fill(norm == 0, 1.0)
    return (scaled / norm if torch.is_grad_enabled() else scaled.div_(norm)), largest, norm


class _Normalize(torch.autograd.Function):
    """The gradient is that across the unit vectors, in fewer passes over memory than through quotient and norm."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor]:
        return _normalize(z, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: tuple[Tensor, Tensor, Tensor]) -> None:
        ctx.dim = inputs[1]
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(inputs[0], *output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        z, units, largest, norm = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this one is asked for
            units, largest, norm = _normalize(z, ctx.dim)
        along = (gradients[0] * units).sum(ctx.dim, keepdim=True)
        across = gradients[0] - units * along
        return (across / norm / largest if torch.is_grad_enabled() else across.div_(norm).div_(largest)), None


def log_gaussian_potential(z: Tensor, t: float | Tensor = 2.0) -> Tensor:
    """Logarithm of the mean over pairs i < j of exp(-t |z_i - z_j|^2), a differentiable scalar.

    It is exact, computed in chunks of the upper triangle.

    Args:
        z: Rows (N, D); fewer than two give 0, the value of one point.
        t: Sharpness of the potential, above 0; a tensor gets its gradient.

    >>> log_gaussian_potential(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))
    tensor(-8.)
    """
    if len(z) < 2:
        return z.sum() * 0.0
    if isinstance(t, Tensor):  # into the rows, which are differentiated
        z, t = z * t.sqrt(), 1.0
    if len(z) <= _CHUNK:
        return log_mean_kernel(_blocks(z), len(z), t)
    return parts(_LogGaussianPotential.apply(z, t, place())).logsumexp(0)


class _LogGaussianPotential(torch.autograd.Function):
    """The potential of many rows: each block is computed again in the backward pass, and none is kept."""

    @staticmethod
    def forward(z: Tensor, t: float, own: tuple[int, int]) -> Tensor:
        return log_mean_kernel(_blocks(z, own), len(z), t)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, tuple[int, int]], output: Tensor) -> None:
        z, ctx.t, ctx.own = inputs
        ctx.save_for_backward(z, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        z, potential = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this one is asked for
            refuse(ctx.own)
            pull = torch.func.vjp(lambda rows: log_mean_kernel(_blocks(rows), len(rows), ctx.t), z)[1]
            return pull(gradient)[0], None, None
        x, total = z - z.mean(0), potential + math.log(len(z) * (len(z) - 1) / 2)
        found = torch.zeros_like(x)
        for (start, _), distance in zip(starts(len(z) - 1, _CHUNK, *ctx.own), _blocks(z, ctx.own), strict=True):
            share = distance.mul_(-ctx.t).sub_(total).exp_().triu_(1)  # of each pair in the sum
            some, on = slice(start, start + len(share)), slice(start, len(z))
            found[some] += share.sum(1, keepdim=True) * x[some] - share @ x[on]
            found[on] += share.sum(0)[:, None] * x[on] - share.T @ x[some]
        return found.mul_(-2 * ctx.t * gradient), None, None


def log_mean_kernel(blocks: Iterable[Tensor], n: int, t: float) -> Tensor:
    """Logarithm of the mean of exp(-t d) over the entries above the diagonals of blocks of squared distances d.

    The blocks hold all pairs of n rows.

    >>> log_mean_kernel([torch.tensor([[0.0, 4.0], [4.0, 0.0]])], 2, 2.0)
    tensor(-8.)
    """
    partial = []
    for distance in blocks:
        for start in range(0, len(distance), _ROWS):  # few rows at a time stay in the cache of a processor
            exponent = -t * distance[start : start + _ROWS, start:]
            square, rest = exponent[:, : len(exponent)], exponent[:, len(exponent) :]
            if len(square) > 1:
                not_a_pair = torch.ones_like(square, dtype=torch.bool).tril_()
                partial.append(torch.logsumexp(square.masked_fill(not_a_pair, -math.inf).flatten(), 0))
            if rest.numel():
                partial.append(torch.logsumexp(rest.flatten(), 0))
    return torch.logsumexp(torch.stack(partial), 0) - math.log(n * (n - 1) / 2)


def _blocks(z: Tensor, own: tuple[int, int] = (0, 1)) -> Iterator[Tensor]:
    """Squared distances (B, N - start) of some rows to themselves and all later ones."""
    x = z - z.detach().mean(0)  # distances do not change, and their rounding becomes relative to the spread
    squares = x.square().sum(1)
    for start, stop in starts(len(z) - 1, _CHUNK, *own):
        rows = slice(start, stop)
        yield squares[rows, None] + squares[None, start:] - 2.0 * (x[rows] @ x[start:].T)
