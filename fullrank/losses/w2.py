"""W2 uniformity (Fang, Li, Sun & Wang, 2024), arXiv:2403.00642. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import Terms, combine, embedding_loss
from fullrank.stats import normalize, nuclear_norm


@declare(
    formula="√(2 − 2 tr C^½/√D) on all u: distance of Gaussians",
    cost="NDK + K³",
    breaks=dict.fromkeys(("pairing", "mean over pairs"), "all views are one batch"),
    point=math.sqrt(2),
    blind_to="the norm, and whether the views of a sample agree. At exactly one point the gradient is zero.",
)
@embedding_loss(min_views=1)
def w2(z: Tensor) -> Terms:
    """Quadratic Wasserstein distance from the l2-normalized embeddings to the uniform sphere, both taken as Gaussians.

    As in the authors' code, all views form one batch of V N unit rows, with a covariance of divisor V N. For unit rows
    their closed form is W2^2 = 2 - 2 |Z - mean|_* / sqrt(V N D), with |.|_* the nuclear norm. The value is in [0,
    sqrt(2)], and lower is better; zero vectors count as collapsed. N < D or few samples leave a floor above 0. The
    square root is cut at one rounding of the number format, so its gradient is finite at a perfect score.

    Args:
        z: Embeddings (V, N, D); one view is enough.

    >>> w2(torch.ones(2, 8, 4))["loss"]  # one point
    tensor(1.4142)
    """
    rows = normalize(z).flatten(0, 1)
    spread = nuclear_norm(rows - rows.mean(0)) / math.sqrt(rows.numel())  # sum of sqrt(eigenvalue / D), at most 1
    squared = (2 - 2 * spread).clamp_min(torch.finfo(z.dtype).eps)
    return combine({"w2": (1.0, squared.sqrt())})


class W2(EmbeddingLoss, function=w2): ...
