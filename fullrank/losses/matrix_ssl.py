"""Matrix-SSL (Zhang et al., 2023), arXiv:2305.17326. V views, N samples, D features."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.mec import mec
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import CONSTANT, POSITIVE, WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import normalize, smaller_gram


@declare(
    formula="`mec` + (−log det(Uᵀ J V/N + ½ I))/D",
    cost="NDK + K³",
    point=math.log(2) - math.log(33) / 32,
    blind_to=(
        "the norm, and to the sign of either determinant: views that are opposite to each other are not "
        "pulled across the singularity."
    ),
)
@embedding_loss(settings={"eps": POSITIVE, "cross_entropy": WEIGHT, "ridge": CONSTANT})
def matrix_ssl(z: Tensor, *, eps: float = 1 / 32, cross_entropy: float = 1.0, ridge: float = 0.5) -> Terms:
    """MEC plus the matrix cross-entropy between I / D and the covariance of two views, averaged over pairs of views.

    The term `uniformity` is `mec`. The term `cross_entropy` is tr(-P log Q) with P = I / D and Q = U^T J V / N + ridge
    I, for the l2-normalized views U, V and the centering J: it is -log |det Q| / D, computed exactly on the smaller
    side. The form of Q, the weight 1 and the ridge 0.5 are those of the authors' code, which expands the logarithm to
    order 4. We could not verify that P has trace 1 and that MEC has the eps of `mec`; these choices are ours.

    One point costs -eps log(1 + 1 / eps) - log(ridge). The share of the cross-entropy fades with D: of K = min(N - 1,
    D) equal directions it sees log(1 + 1 / (ridge K)) K / D.

    It guards against complete and dimensional collapse and few clusters.

    Args:
        z: Embeddings (V, N, D).
        eps: That of `mec`, above 0.
        cross_entropy: Weight of `cross_entropy`.
        ridge: What is added to the eigenvalues of the cross-covariance, above 0.

    >>> matrix_ssl(torch.ones(2, 8, 4))["cross_entropy"]  # one point: ln 2
    tensor(0.6931)
    """
    pairs = combinations(normalize(z.double()), 2)
    entropy = torch.stack([_cross_entropy(a, b, ridge) for a, b in pairs]).mean()
    return combine(
        {
            "uniformity": (1.0, mec(z, eps=eps)["loss"]),
            "cross_entropy": (cross_entropy, entropy.to(z.dtype)),
        }
    )


class MatrixSSL(EmbeddingLoss, function=matrix_ssl): ...


def _cross_entropy(a: Tensor, b: Tensor, ridge: float) -> Tensor:
    """-log |det(A^T J B / N + ridge I)| / D of two views (N, D)."""
    samples, features = a.shape
    b = b - b.mean(0)
    q = smaller_gram(b, a) / samples
    volume: Tensor = torch.linalg.slogdet(q + ridge * torch.eye(len(q), dtype=q.dtype, device=q.device)).logabsdet
    return -(volume / features + (1 - len(q) / features) * math.log(ridge))
