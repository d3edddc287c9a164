"""INTL (Weng et al., "Modulate Your Spectrum", 2024), arXiv:2305.16789. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.terms import Terms, combine, embedding_loss
from fullrank.stats import Axis, newton, normalize


def intl_beta(size: int) -> float:
    """Weight of the trace loss by the authors' code, 0.01 (log2(size) - 3), for a size x size covariance.

    The rule is zero or negative up to size 8; the floor 0.01, its value at 16, is ours.

    >>> intl_beta(256), intl_beta(4)
    (0.05, 0.01)
    """
    return max(0.01, 0.01 * (math.log2(size) - 3))


@embedding_loss()
def intl(z: Tensor, *, axis: Axis = "channel", iterations: int = 4, beta: float | None = None) -> Terms:
    """INTL of z (V, N, D): Newton-whiten each view, then align with view 0 and push all variances towards 1.

    The authors' code: similarity is 2 - 2 cos to the anchor view 0, averaged over the others; trace is
    sum (1 - variance)^2 over the whitened samples (axis="channel", their default, N x N covariance) or features
    (axis="batch", D x D), averaged over the same views, plus the anchor's. beta=None takes `intl_beta` of N or D,
    whichever the axis whitens. The trace has a floor: 210 a view at 256 and 4 iterations is the optimum.

    Blind to: norm and offset, of each sample or each feature. Near one point axis="batch" has next to no gradient.

    >>> intl(torch.ones(2, 8, 4), axis="batch", beta=0.05)["loss"]  # one point: 2 + 2 beta D
    tensor(2.4000)
    """
    samples, features = z.shape[1:]
    size, whitened_dim = (samples, 2) if axis == "channel" else (features, 1)
    whitened = torch.stack([newton(view, iterations, axis=axis) for view in z])
    trace = (1 - whitened.var(whitened_dim)).square().sum(1)  # (V,): of the output covariance only the diagonal
    cosine = (normalize(whitened[1:]) * normalize(whitened[0])).sum(2)
    return combine(
        {
            "similarity": (1.0, 2 - 2 * cosine.mean()),
            "trace": (intl_beta(size) if beta is None else beta, trace[1:].mean() + trace[0]),
        }
    )
