"""The inverse multiquadric kernel of all pairs of rows, in blocks: what is symmetric is computed once, none is kept.

With k = s / sqrt(s^2 + d^2), the gaps 1 - k are summed instead of k, of which close rows would leave no digits. For few
rows the whole matrix is taken, and for a second derivative and torch.func.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fullrank.stats.pairs.shares import parts, place, refuse, starts

_BLOCK = 256  # rows at a time
_FEW = 512  # rows, up to which the whole matrix is faster


def multiquadric_gaps(x: Tensor, scale: float | Tensor) -> tuple[Tensor, Tensor]:
    """Sums over j of the gaps 1 - s / sqrt(s^2 + |x_i - x_j|^2) of rows x (N, D), (N,), and the sum of their squares.

    A scale that is a tensor gets its gradient.

    >>> multiquadric_gaps(torch.tensor([[0.0], [3.0**0.5]]), 1.0)
    (tensor([0.5000, 0.5000]), tensor(0.5000))
    """
    if isinstance(scale, Tensor):  # into the rows, which are differentiated
        x, scale = x / scale, 1.0
    if len(x) <= _FEW:
        return _whole(x, scale)
    sums, squares = _Gaps.apply(x, scale, place())
    return parts(sums).sum(0), parts(squares).sum(0)


def _whole(x: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    x = x - x.detach().mean(0)  # distances do not change, and their rounding becomes relative to the spread
    gaps = _gaps(x, slice(0, len(x)), slice(0, len(x)), scale)[0]
    return gaps.sum(1), gaps.square().sum()


def _gaps(x: Tensor, some: slice, on: slice, scale: float) -> tuple[Tensor, Tensor]:
    """Gaps between some rows (B) and those from there on (M), 0 for a row and itself, and sqrt(s^2 + d^2): (B, M)."""
    squares = x.square().sum(1)
    distance = (squares[some, None] + squares[on] - 2 * (x[some] @ x[on].T)).clamp_min(0.0)
    itself = torch.eye(*distance.shape, dtype=torch.bool, device=x.device)
    distance = distance.masked_fill(itself, 0.0)
    root = (distance + scale**2).sqrt()
    return distance / (root * (root + scale)), root


def _blocks(rows: int, own: tuple[int, int]) -> Iterator[tuple[slice, slice, slice]]:
    """Some rows, all from there on, and those after."""
    for start, stop in starts(rows, _BLOCK, *own):
        yield slice(start, stop), slice(start, rows), slice(stop, rows)


class _Gaps(torch.autograd.Function):
    @staticmethod
    def forward(x: Tensor, scale: float, own: tuple[int, int]) -> tuple[Tensor, Tensor]:
        x = x - x.mean(0)
        sums, squares = x.new_zeros(len(x)), x.new_zeros(())
        for some, on, later in _blocks(len(x), own):
            gaps = _gaps(x, some, on, scale)[0]
            beyond = gaps[:, some.stop - some.start :]
            sums[some] += gaps.sum(1)
            sums[later] += beyond.sum(0)
            squares += gaps.square().sum() + beyond.square().sum()
        return sums, squares

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, tuple[int, int]], output: tuple[Tensor, Tensor]) -> None:
        x, ctx.scale, ctx.own = inputs
        ctx.save_for_backward(x)

    @staticmethod
    def backward(ctx: Any, by_sum: Tensor, by_squares: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        if torch.is_grad_enabled():
            refuse(ctx.own)
            pull = torch.func.vjp(lambda rows: _whole(rows, ctx.scale), x)[1]
            return pull((by_sum, by_squares))[0], None, None
        x = x - x.mean(0)
        found = torch.zeros_like(x)
        for some, on, later in _blocks(len(x), ctx.own):
            gaps, root = _gaps(x, some, on, ctx.scale)
            slope = gaps.mul_(4 * by_squares).add_(by_sum[some, None]).add_(by_sum[on]).div_(root.pow_(3))
            beyond = slope[:, some.stop - some.start :]
            found[some] += slope.sum(1, keepdim=True) * x[some] - slope @ x[on]
            found[later] += beyond.sum(0)[:, None] * x[later] - beyond.T @ x[some]
        return found.mul_(ctx.scale), None, None
