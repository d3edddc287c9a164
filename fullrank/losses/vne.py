"""I-VNE+ (Kim et al., 2023), arXiv:2304.01434. V views, N samples, D features."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import eigvalsh, normalize, smaller_gram


@declare(
    formula="−4.16 c + Σ p log p of UᵀU/N",
    cost="NDK + K³",
    weights={"similarity": 4.16},
    point=-4.16,
    blind_to="the norm.",
)
@embedding_loss(settings={"invariance": WEIGHT, "entropy": WEIGHT})
def vne(z: Tensor, *, invariance: float = 4.16, entropy: float = 1.0) -> Terms:
    """I-VNE+: pull the views together and raise the von Neumann entropy of each view.

    This is the authors' code, on l2-normalized rows U. The term `similarity` is minus the mean cosine over pairs of
    views (theirs pairs the two large crops with all others). The term `entropy` is minus that of the eigenvalues of U^T
    U / N, uncentered, in nats, averaged over views; it is in [-log min(N, D), 0], and one point costs 0.

    It guards against complete and dimensional collapse; the push on a missing dimension is minus the logarithm of its
    share.

    Args:
        z: Embeddings (V, N, D).
        invariance: Weight of `similarity`; 4.16 is the logarithm of the authors' batch size, 64.
        entropy: Weight of `entropy`.

    >>> vne(torch.ones(2, 8, 4), invariance=1.0)["loss"]  # one point
    tensor(-1.)
    """
    rows = normalize(z.double())
    cosine = torch.stack([(a * b).sum(1).mean() for a, b in combinations(rows, 2)]).mean()
    negative_entropy = torch.stack([_negative_entropy(view) for view in rows]).mean()
    return combine(
        {"similarity": (invariance, -cosine.to(z.dtype)), "entropy": (entropy, negative_entropy.to(z.dtype))}
    )


class VNE(EmbeddingLoss, function=vne): ...


def _negative_entropy(rows: Tensor) -> Tensor:
    """Sum of p log p over the eigenvalues p of U^T U / N, for unit rows U (N, D)."""
    eigenvalues = eigvalsh(smaller_gram(rows) / len(rows))
    p = eigenvalues.clamp_min(torch.finfo(rows.dtype).eps ** 2)  # so that the slope log p + 1 is finite
    return (p * p.log()).sum()
