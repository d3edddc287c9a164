"""The nearest other row of each row, in blocks: what is symmetric is computed once, above the diagonal."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.stats.pairs.shares import parts, place, starts

_BLOCK = 128  # rows at a time
_FEW = 512  # rows, up to which the whole matrix is as fast


@torch.no_grad()
def nearest_others(z: Tensor) -> Tensor:
    """Index (..., N) of the row of z (..., N, D) that is nearest to each row other than itself, without a gradient.

    >>> nearest_others(torch.tensor([[0.0], [1.0], [1.5]]))
    tensor([1, 2, 1])
    """
    x = z - z.mean(-2, keepdim=True)  # distances do not change, and their rounding becomes relative to the spread
    halves, one = x.square().sum(-1, keepdim=True).div_(-2), torch.ones_like(x[..., :1])
    left, right = torch.cat([x, halves, one], -1), torch.cat([x, one, halves], -1)
    if x.shape[-2] <= _FEW:
        return _closeness(left, right).argmax(-1)
    closest, nearest = x.new_full(x.shape[:-1], -math.inf), torch.zeros(x.shape[:-1], dtype=torch.long, device=x.device)
    for start, stop in starts(x.shape[-2], _BLOCK, *place()):
        closeness = _closeness(left[..., start:stop, :], right[..., start:, :])
        _keep(closest[..., start:stop], nearest[..., start:stop], closeness, start)
        if stop < x.shape[-2]:
            later = closeness[..., stop - start :].mT.contiguous()
            _keep(closest[..., stop:], nearest[..., stop:], later, start)
    by = parts(closest).argmax(0, keepdim=True)  # the process that found it
    return parts(nearest).gather(0, by)[0]


def _closeness(left: Tensor, right: Tensor) -> Tensor:
    """Minus half the squared distance of some rows (..., B) to them and later ones (..., M), none to itself."""
    closeness = left @ right.mT
    closeness.diagonal(0, -2, -1).fill_(-math.inf)
    return closeness


def _keep(closest: Tensor, nearest: Tensor, closeness: Tensor, start: int) -> None:
    """Note in place the closest (..., B) of these rows (..., B, M), the first of which is number `start`."""
    value, at = closeness.max(-1)
    nearest.copy_(torch.where(value > closest, at + start, nearest))
    closest.copy_(closest.maximum(value))
