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
    """Minus the nuclear norm of the N centroids (N, D) of the l2-normalized views of each sample.

    As in the authors' code, the value is a sum of singular values and not a mean, so it grows with N and D. One point
    scores -sqrt(N); the optimum is -sqrt(N min(N, D)), which is reached only if the views agree.

    It guards against complete and dimensional collapse. Like W2 it is a nuclear norm, whose push on a missing dimension
    does not fade as the dimension does.

    Args:
        z: Embeddings (V, N, D).
        compression: Weight of the mean over samples of the nuclear norm of the V views (V, D) (lightly takes 5e-3). It
            needs N small decompositions, and none at 0.

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
