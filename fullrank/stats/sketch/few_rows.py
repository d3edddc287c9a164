"""Moments of fewer rows than dimensions: turned into the space that they span, so that nothing is D x D."""

from __future__ import annotations

from dataclasses import replace

import torch
from scipy.linalg import qr
from torch import Tensor

from fullrank.stats.moments import ROUNDING, Axes, Moments, moments


def row_groups(rows: Tensor, group: Tensor, groups: int) -> tuple[tuple[Moments, ...], tuple[Moments, ...]]:
    """Moments of rows (N, D) in groups (N,), N < D, as they are and at length 1: K = N + 1 axes in place of D.

    The axes span the rows less their mean, and the mean: an isometry, so that everything that does not depend on the
    axes is the same, to rounding. What does is in `Moments.axes`. Memory N x D and groups x K x K.

    >>> z = torch.randn(5, 100, generator=torch.Generator().manual_seed(0))
    >>> (raw,), (unit,) = row_groups(z, torch.zeros(5, dtype=torch.int64), 1)
    >>> raw.scatter.shape, raw.dims, torch.allclose(raw.spectra[0].sum(), z.double().var(0, correction=0).sum())
    (torch.Size([6, 6]), 100, True)
    """
    z = rows.detach().cpu().double()
    turned, mean = _turned(z)
    whole = turned + mean
    lengths = torch.linalg.vector_norm(whole, dim=1, keepdim=True).clamp_min(1e-300)
    raw, unit = [], []
    for number in range(groups):
        of = group == number
        about = moments(turned[of])
        raw.append(replace(about, mean=about.mean + mean if about.n else about.mean, axes=_axes(z[of])))
        unit.append(replace(moments(whole[of] / lengths[of]), axes=_axes(z[of] / lengths[of])))
    return tuple(raw), tuple(unit)


def zero_rows(n: int, like: Moments) -> Moments:
    """Moments of n rows of zeros, in the basis of others."""
    nothing = torch.zeros_like(like.mean)
    axes = None if like.axes is None else Axes(torch.zeros_like(like.axes.mean), torch.zeros_like(like.axes.squares))
    return Moments(n, nothing, torch.zeros_like(like.scatter), nothing, torch.zeros_like(like.quartic), axes)


def _turned(z: Tensor) -> tuple[Tensor, Tensor]:
    """Coordinates (N, K) of the rows less their mean, and those (K,) of the mean."""
    stacked = z.new_empty(len(z) + 1, z.shape[1])
    mean = stacked[-1] = z.mean(0) if len(z) else z.new_zeros(z.shape[1])
    torch.sub(z, mean, out=stacked[:-1])
    still = stacked[:-1].square().mean(0).sqrt() <= ROUNDING * mean.abs() if len(z) else mean == 0
    stacked[:-1].masked_fill_(still, 0.0)
    (factor,) = qr(stacked.numpy().T, mode="r", overwrite_a=True, check_finite=False)
    turned = torch.from_numpy(factor[: len(stacked)].T.copy())
    return turned[:-1], turned[-1]


def _axes(z: Tensor) -> Axes:
    if len(z) == 0:
        return Axes(z.new_zeros(z.shape[1]), z.new_zeros(z.shape[1]))
    mean = z.mean(0)
    return Axes(mean, (z - mean).square().sum(0))
