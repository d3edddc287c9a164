"""Moments of fewer rows than dimensions: rotated into the space that they span, so that nothing is D x D."""

from __future__ import annotations

from dataclasses import replace

import torch
from scipy.linalg import qr
from torch import Tensor

from fullrank.stats.moments import ROUNDING, Axes, Moments
from fullrank.stats.sketch.twins import RunningTwin, Twin


def row_groups(
    rows: Tensor, group: Tensor, groups: int, turned: tuple[Tensor, Tensor] | None = None
) -> tuple[Twin, ...]:
    """Moments of rows (N, D) in groups (N,), N < D, as they are and at length 1, in K = N + 1 axes instead of D.

    The axes span the mean and the rows less their mean. This is an isometry, so that everything that does not depend on
    the axes is the same, to rounding; what does is in `Moments.axes`. turned: `turn(rows)`, where it is at hand. Memory
    is N x D and groups x K x K.

    >>> z = torch.randn(5, 100, generator=torch.Generator().manual_seed(0))
    >>> (both,) = row_groups(z, torch.zeros(5, dtype=torch.int64), 1)
    >>> raw = both.open(at_length_one=False)
    >>> raw.scatter.shape, raw.dims, torch.allclose(raw.spectra[0].sum(), z.double().var(0, correction=0).sum())
    (torch.Size([6, 6]), 100, True)
    """
    z = rows.detach().cpu().double()
    about, mean = turn(z) if turned is None else turned
    whole = about + mean
    lengths = torch.linalg.vector_norm(whole, dim=1, keepdim=True).clamp_min(1e-300)
    found = []
    for number in range(groups):
        of, running = group == number, RunningTwin(about.shape[1])
        running.raw.add(about[of])
        running.unit.add(whole[of] / lengths[of])
        both, own = running.result(), z[of]
        middle, cubic, quartic = both.raw
        axes = _axes(own), _axes(own.div_(lengths[of]))  # the second changes `own`
        found.append(replace(both, raw=(middle + mean if both.n else middle, cubic, quartic), axes=axes))
    return tuple(found)


def in_few_axes(rows: Tensor) -> Tensor:
    """Rows z (N, D), N < D, in N + 1 axes of the space that they span, with the same distances and angles; float64.

    >>> z = torch.randn(5, 100, generator=torch.Generator().manual_seed(0)).double()
    >>> in_few_axes(z).shape, torch.allclose(in_few_axes(z) @ in_few_axes(z).T, z @ z.T)
    (torch.Size([5, 6]), True)
    """
    z = rows.detach().cpu().double()
    if len(z) >= z.shape[1] - 1:
        return z
    about, mean = turn(z)
    return about + mean


def zero_rows(n: int, like: Moments) -> Moments:
    """Moments of n zero vectors, in the basis of others."""
    nothing = torch.zeros_like(like.mean)
    axes = None if like.axes is None else Axes(torch.zeros_like(like.axes.mean), torch.zeros_like(like.axes.squares))
    return Moments(n, nothing, torch.zeros_like(like.scatter), nothing, torch.zeros_like(like.quartic), axes)


def turn(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates (N, K) of rows (N, D) less their mean, and those (K,) of the mean, in axes that span both."""
    stacked = rows.new_empty(len(rows) + 1, rows.shape[1], dtype=torch.float64, device="cpu")
    stacked[:-1] = rows
    stacked[-1] = stacked[:-1].mean(0) if len(rows) else 0.0
    mean = stacked[-1].clone()
    stacked[:-1] -= mean
    still = (stacked[:-1].square().sum(0) / max(len(rows), 1)).sqrt() <= ROUNDING * mean.abs()
    stacked[:-1].masked_fill_(still, 0.0)
    _, factor = qr(stacked.numpy().T, mode="raw", overwrite_a=True, check_finite=False)
    both = torch.from_numpy(factor.T.copy())
    return both[:-1], both[-1]


def _axes(z: Tensor) -> Axes:
    if len(z) == 0:
        return Axes(z.new_zeros(z.shape[1]), z.new_zeros(z.shape[1]))
    mean = z.mean(0)
    return Axes(mean, (z - mean).square_().sum(0))
