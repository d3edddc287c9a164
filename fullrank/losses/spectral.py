"""Spectral transformation (Weng et al., "Modulate Your Spectrum", 2024), arXiv:2305.16789. V views, N samples, D."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import Terms, combine, embedding_loss
from fullrank.stats import Axis, normalize, principal, spectral


@declare(
    formula="2 − 2c after U g(l) Uᵀ, or g(l) Uᵀ (PCA)",
    cost="NDK + K³",
    breaks=dict.fromkeys(
        ("shape", "rank", "escape", "escape of few samples", "revival"),
        "whitened views that agree are at the optimum, whatever their rank",
    ),
    point=2.0,
    blind_to=(
        "the norm and the offset; where the views agree the loss is zero at any rank, and with p = 1/2 it "
        "hardly sees the spectrum at all. It is noise between the views that keeps the rank up. One point "
        'costs 2, its maximum for views that agree, with axis="batch"; with "channel" nothing. '
        "components=True also does not see whether the features of a view are permuted."
    ),
)
@embedding_loss()
def spectral_transformation(
    z: Tensor, *, g: Callable[[Tensor], Tensor] = torch.rsqrt, axis: Axis = "batch", components: bool = False
) -> Terms:
    """2 - 2 cos between the views of a sample after the transformation U g(L) U^T, averaged over pairs of views.

    Here g acts on the eigenvalues L of the covariance of each view (`fullrank.stats.spectral`): `torch.rsqrt` whitens
    (ZCA), `torch.ones_like` only centers, and `fullrank.stats.power(p)` is between them, l^-p. The paper finds full
    rank for p near 1/2 and collapse away from it. `intl` is the member with Newton's iteration for g, and its trace
    loss.

    Args:
        z: Embeddings (V, N, D).
        g: Function of the eigenvalues (K,), elementwise.
        axis: "batch" acts on the features, "channel" on the samples.
        components: Whether to compare the principal components g(L) U^T x (`fullrank.stats.principal`) instead, which
            is PCA whitening for `torch.rsqrt`. It rotates each view by the view's own eigenvectors, which changes no
            cosine inside a view; but where eigenvalues are close, their eigenvectors differ from view to view, and the
            loss then compares different things.

    Raises:
        UserError: z cannot be used, or components=True with axis="channel", whose components are not samples.

    >>> spectral_transformation(torch.ones(2, 8, 4))["loss"]  # one point: nothing is left to compare
    tensor(2.)
    """
    if components and axis != "batch":
        raise UserError(
            'spectral_transformation has components with axis="batch" only: along channels they are not samples.'
        )
    transformed = [principal(view, g) if components else spectral(view, g, axis=axis) for view in z]
    white = normalize(torch.stack(transformed))
    cosine = torch.stack([(a * b).sum(1) for a, b in combinations(white, 2)]).mean()
    return combine({"spectral_transformation": (1.0, 2 - 2 * cosine)})


class SpectralTransformation(EmbeddingLoss, function=spectral_transformation): ...
