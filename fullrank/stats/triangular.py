"""Whitening by a Cholesky factor, in blocks of features: the side of the samples is factored where it is the smaller.

Of the features before a block only a matrix (N, N) is needed: what they leave of each sample. So it takes N^2 D
operations for N < D; for D <= N all features are one block, which is the usual D x D factor.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def triangular_white(x: Tensor, ridge: float) -> tuple[Tensor, Tensor]:
    """Rows L^-1 x_i of x (N, D) with the Cholesky factor L of X^T X + ridge tr(X^T X), and whether that failed.

    It fails where the sum is not positive definite; the rows then mean nothing. Of zeros, zeros are left.

    >>> triangular_white(torch.tensor([[3.0, 0.0], [0.0, 2.0]]), 0.0)[0]
    tensor([[1., 0.],
            [0., 1.]])
    """
    white, failed, *_ = _TriangularWhite.apply(x, ridge)
    return white, failed


def _blocks(x: Tensor) -> tuple[Tensor, ...]:
    samples, features = x.shape
    parts: tuple[Tensor, ...] = x.split(features if features <= samples else max(64, samples // 2), 1)
    return parts


def _white(x: Tensor, ridge: float) -> tuple[Tensor, ...]:
    """White rows, whether it failed, the trace of X^T X (one if it is zero), and the inverse factor of each block."""
    white: list[Tensor] = []
    inverses: list[Tensor] = []
    failed = torch.zeros((), dtype=torch.bool, device=x.device)
    trace = torch.linalg.vector_norm(x).square()
    trace = torch.where(trace == 0, 1.0, trace)
    left: Tensor | None = None  # what the features before leave of each sample (N, N)
    for part in _blocks(x):
        if white:
            left = _less(left, white[-1])
        rest = part if left is None else left @ part
        eye = torch.eye(part.shape[1], dtype=x.dtype, device=x.device)
        factor, info = torch.linalg.cholesky_ex(part.T @ rest + ridge * trace * eye)
        inverse = torch.linalg.solve_triangular(factor, eye, upper=False)  # one product beats a solution of all rows
        white.append(rest @ inverse.T)
        inverses.append(inverse)
        failed = failed | (info != 0)
    return _whole(white), failed, trace, *inverses


def _less(left: Tensor | None, white: Tensor) -> Tensor:
    """The products of white rows taken off; at first, the identity is left."""
    if left is None:
        left = torch.eye(len(white), dtype=white.dtype, device=white.device)
    return left - white @ white.T


def _whole(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


class _TriangularWhite(torch.autograd.Function):
    """W = X R^-1 with R^T R = X^T X + r has the gradient Y = (G - W H) R^-T, where H is the mirrored upper W^T G.

    As r grows with the trace of X^T X, the scale of X is free: Y loses what it has along X.
    """

    @staticmethod
    def forward(x: Tensor, ridge: float) -> tuple[Tensor, ...]:
        return _white(x, ridge)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: tuple[Tensor, ...]) -> None:
        x, ctx.ridge = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(x, output[0], *output[2:])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        x, white, trace, *inverses = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this one is asked for
            pull = torch.func.vjp(lambda rows: _white(rows, ctx.ridge)[0], x)[1]
            return pull(gradients[0])[0], None
        found = _solved(_blocks(x), _blocks(white), _turned(_blocks(white), _blocks(gradients[0])), inverses)
        return found.sub_((found.flatten() @ x.flatten() / trace) * x), None


def _turned(white: tuple[Tensor, ...], gradient: tuple[Tensor, ...]) -> list[Tensor]:
    """G - W H by blocks."""
    found, before, after = [], white[0].new_zeros(()), white[0].new_zeros(())
    for w, g in zip(white, gradient, strict=True):
        upper = (w.T @ g).triu_()
        found.append(g - w @ (upper + upper.T.tril(-1)))
    for k in range(1, len(white)):
        before = before + white[k - 1] @ white[k - 1].T
        found[k] -= before @ gradient[k]
    for k in range(len(white) - 2, -1, -1):
        after = after + white[k + 1] @ gradient[k + 1].T
        found[k] -= after @ white[k]
    return found


def _solved(x: tuple[Tensor, ...], white: tuple[Tensor, ...], rows: list[Tensor], inverses: list[Tensor]) -> Tensor:
    """Y of Y L = rows with L = R^T, from the last block on; R is W^T X beyond a block's own factor."""
    found: list[Tensor] = []
    after = x[0].new_zeros(())
    for k in range(len(x) - 1, -1, -1):
        side = rows[k] - after @ white[k] if found else rows[k]
        found.insert(0, side @ inverses[k])
        if k:
            after = after + found[0] @ x[k].T
    return _whole(found)
