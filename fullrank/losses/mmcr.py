"""Maximum manifold capacity, MMCR (Yerxa et al., 2023), arXiv:2303.03307. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import normalize, nuclear_norm


@declare(
    formula="−‖mean of the views' u‖ nuclear",
    cost="NDK + K³",
    breaks={"mean over pairs": "the centroid of all views"},
    point=Point(lambda batch_size: -math.sqrt(batch_size), "-sqrt {batch_size}"),
    blind_to="the norm; at exactly one point the gradient is zero.",
)
@embedding_loss(settings={"compression": WEIGHT})
def mmcr(z: Tensor, *, compression: float = 0.0) -> Terms:
    """Minus the nuclear norm of the N centroids (N, D) of the l2-normalized views of z (V, N, D).

    The authors' code: a sum of singular values, not a mean, so it grows with N and D: one point scores -sqrt(N), the
    optimum is -sqrt(N min(N, D)), reached only if the views agree. compression (lightly: 5e-3) adds its weight times
    the mean over samples of the nuclear norm of the V views (V, D); it takes N small decompositions, and none at 0.

    Guards against: complete and dimensional collapse: as W2 it is a nuclear norm, whose push on a missing dimension
    does not fade as the dimension does.

    >>> mmcr(torch.ones(2, 9, 4))["loss"]  # one point
    tensor(-3.)
    """
    rows = normalize(z)
    weighted = {"centroids": (1.0, -nuclear_norm(rows.mean(0)))}
    if compression:
        views = torch.stack([nuclear_norm(sample) for sample in rows.transpose(0, 1)])
        weighted["views"] = (compression, views.mean())
    return combine(weighted)


class MMCR(EmbeddingLoss, function=mmcr): ...
