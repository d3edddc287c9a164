"""Spectral transformation (Weng et al., "Modulate Your Spectrum", 2024), arXiv:2305.16789. V views, N samples, D."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.terms import Terms, combine, embedding_loss
from fullrank.stats import Axis, normalize, spectral


@embedding_loss()
def spectral_transformation(z: Tensor, *, g: Callable[[Tensor], Tensor] = torch.rsqrt, axis: Axis = "batch") -> Terms:
    """2 - 2 cos between the views of a sample after U g(L) U^T, mean over pairs of views of z (V, N, D).

    g acts on the eigenvalues L of each view's covariance (`fullrank.stats.spectral`): `torch.rsqrt` whitens (ZCA),
    `torch.ones_like` only centres, and `fullrank.stats.power(p)` is between, l^-p; the paper finds full rank for p
    near 1/2 and collapse away from it. axis="batch" acts on the features, "channel" on the samples. `intl` is the
    member with Newton's iteration for g, and its trace loss.

    Blind to: the norm and the offset; where the views agree the loss is zero at any rank, and with p = 1/2 it hardly
    sees the spectrum at all. It is noise between the views that keeps the rank up. One point costs 2, its maximum
    for views that agree, with axis="batch"; with "channel" nothing.

    >>> spectral_transformation(torch.ones(2, 8, 4))["loss"]  # one point: nothing is left to compare
    tensor(2.)
    """
    white = normalize(torch.stack([spectral(view, g, axis=axis) for view in z]))
    cosine = torch.stack([(a * b).sum(1) for a, b in combinations(white, 2)]).mean()
    return combine({"spectral_transformation": (1.0, 2 - 2 * cosine)})
