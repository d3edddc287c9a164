"""Sums of exponentials over all pairs of rows, in blocks: memory grows with the rows, not with their square.

For many rows, nothing of N x N numbers is kept for the backward pass, which computes each block again, and what is
symmetric is computed once, above the diagonal. For few rows the whole matrix is faster, and it is taken too for a
second derivative and for torch.func.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fullrank.stats.pairs.shares import parts, place, refuse, starts

_BLOCK = 512  # rows at a time
_FEW = 1024  # rows, up to which the whole matrix is faster


def log_sums_over_others(z: Tensor, scale: float | Tensor) -> Tensor:
    """log sum exp(scale <z_vi, z_wj>) over all views w of all other samples j, for z (V, N, D): (V, N).

    A scale that is a tensor is above 0, and gets its gradient.

    >>> log_sums_over_others(torch.ones(2, 4, 1), 1.0)[0, 0] == 1 + math.log(2 * 3)
    tensor(True)
    """
    if isinstance(scale, Tensor):  # into the rows, which are differentiated
        z, scale = z * scale.sqrt(), 1.0
    rows, samples = z.flatten(0, 1), z.shape[1]
    if len(rows) <= _FEW:
        return _over_others(rows, samples, scale).view(z.shape[:2])
    return parts(_OverOthers.apply(rows, samples, scale, place())).logsumexp(0).view(z.shape[:2])


def log_sums_of_both(a: Tensor, b: Tensor, scale: float | Tensor) -> tuple[Tensor, Tensor]:
    """log sum exp(scale <a_i, b_j>) over j for each i, and over i for each j, for a and b (N, D): (N,) and (N,).

    A scale that is a tensor gets its gradient.

    >>> log_sums_of_both(torch.ones(4, 1), torch.ones(4, 1), 1.0)[1][0] == 1 + math.log(4)
    tensor(True)
    """
    if isinstance(scale, Tensor):
        a, scale = scale * a, 1.0
    if len(a) <= _FEW:
        return _of_both(a, b, scale)
    of_a, of_b = _OfBoth.apply(a, b, scale, place())
    return parts(of_a).logsumexp(0), parts(of_b).logsumexp(0)


def _over_others(rows: Tensor, samples: int, scale: float) -> Tensor:
    logits = (scale * rows @ rows.T).view(-1, samples, len(rows) // samples, samples)
    same_sample = torch.eye(samples, dtype=torch.bool, device=rows.device)[:, None]
    return logits.masked_fill(same_sample, -math.inf).flatten(2).logsumexp(2).flatten()


def _of_both(a: Tensor, b: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    logits = scale * a @ b.T
    return logits.logsumexp(1), logits.logsumexp(0)


def _blocks(rows: int, own: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Some rows, and all from there on."""
    for start, stop in starts(rows, _BLOCK, *own):
        yield slice(start, stop), slice(start, rows)


class _OverOthers(torch.autograd.Function):
    """Row i against all rows of other samples; rows (V N, D) view by view."""

    @staticmethod
    def forward(rows: Tensor, samples: int, scale: float, own: tuple[int, int]) -> Tensor:
        sums = rows.new_full((len(rows),), -math.inf)
        for some, on in _blocks(len(rows), own):
            logits = _others(rows, some, on, samples, scale)
            width = some.stop - some.start
            sums[some] = torch.logaddexp(sums[some], logits.logsumexp(1))
            if on.stop > some.stop:
                later = slice(some.stop, on.stop)
                sums[later] = torch.logaddexp(sums[later], logits[:, width:].logsumexp(0))
        return sums

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int, float, tuple[int, int]], output: Tensor) -> None:
        rows, ctx.samples, ctx.scale, ctx.own = inputs
        ctx.save_for_backward(rows, output)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        rows, sums = ctx.saved_tensors
        if torch.is_grad_enabled():
            refuse(ctx.own)
            pull = torch.func.vjp(lambda leaf: _over_others(leaf, ctx.samples, ctx.scale), rows)[1]
            return pull(gradient)[0], None, None, None
        found = torch.zeros_like(rows)
        for some, on in _blocks(len(rows), ctx.own):
            logits = _others(rows, some, on, ctx.samples, ctx.scale)
            width = some.stop - some.start
            weights = (logits - sums[some, None]).exp_().mul_(gradient[some, None])
            weights += logits.sub_(sums[on]).exp_().mul_(gradient[on])
            found[some] += weights @ rows[on]
            found[some.stop :] += weights[:, width:].T @ rows[some]
        return found.mul_(ctx.scale), None, None, None


def _others(rows: Tensor, some: slice, on: slice, samples: int, scale: float) -> Tensor:
    """scale <row, row'> of some rows (B) with those from there on (M), -inf for two of one sample: (B, M)."""
    logits = (rows[some] @ rows[on].T).mul_(scale)
    before = (len(logits) - 1) // samples * samples
    for offset in range(-before, logits.shape[1], samples):
        logits.diagonal(offset).fill_(-math.inf)
    return logits


class _OfBoth(torch.autograd.Function):
    """Rows of a against all of b, and the reverse."""

    @staticmethod
    def forward(a: Tensor, b: Tensor, scale: float, own: tuple[int, int]) -> tuple[Tensor, Tensor]:
        of_a, of_b = a.new_full((len(a),), -math.inf), a.new_full((len(b),), -math.inf)
        for some, _ in _blocks(len(a), own):
            logits = (a[some] @ b.T).mul_(scale)
            of_a[some] = logits.logsumexp(1)
            of_b = torch.logaddexp(of_b, logits.logsumexp(0))
        return of_a, of_b

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor, float, tuple[int, int]], output: tuple[Tensor, Tensor]
    ) -> None:
        a, b, ctx.scale, ctx.own = inputs
        ctx.save_for_backward(a, b, *output)

    @staticmethod
    def backward(ctx: Any, by_a: Tensor, by_b: Tensor) -> tuple[Tensor, Tensor, None, None]:
        a, b, of_a, of_b = ctx.saved_tensors
        if torch.is_grad_enabled():
            refuse(ctx.own)
            pull = torch.func.vjp(lambda left, right: _of_both(left, right, ctx.scale), a, b)[1]
            return *pull((by_a, by_b)), None, None
        for_a, for_b = torch.zeros_like(a), torch.zeros_like(b)
        for some, _ in _blocks(len(a), ctx.own):
            logits = (a[some] @ b.T).mul_(ctx.scale)
            weights = (logits - of_a[some, None]).exp_().mul_(by_a[some, None])
            weights += logits.sub_(of_b).exp_().mul_(by_b)
            for_a[some] = weights @ b
            for_b += weights.T @ a[some]
        return for_a.mul_(ctx.scale), for_b.mul_(ctx.scale), None, None
