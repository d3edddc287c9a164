"""Barlow Twins (Zbontar, Jing, Misra, LeCun & Deny, 2021), arXiv:2103.03230. V views, N samples, D features."""

from __future__ import annotations

from itertools import combinations

from torch import Tensor
from torch.nn.functional import batch_norm

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import WEIGHT, Terms, combine, embedding_loss, mean_of


@declare(
    formula="Σ (1 − Rᵢᵢ)² + λ Σ Rᵢⱼ², R: correlation of features across views",
    cost="NDK",
    weights={"on_diagonal": 1.0, "off_diagonal": 0.0051},
    breaks={
        "revival": "missing directions feel only the correlation of single features",
        "rotation": "correlation of single features",
    },
    point=Point(lambda dims: dims, "{dims}"),
    blind_to="the norm, above the eps. Weak against dimensional collapse, at its small off-diagonal weight.",
)
@embedding_loss(settings={"on_diagonal": WEIGHT, "off_diagonal": WEIGHT})
def barlow_twins(z: Tensor, *, on_diagonal: float = 1.0, off_diagonal: float = 0.0051) -> Terms:
    """Distance of the cross-correlation (D, D) of two views from the identity.

    As in the authors' code, features are standardized over the batch (divisor N, eps 1e-5) and C = A^T B / N. The terms
    are the sum of (1 - C_ii)^2 and the sum of the squares off the diagonal; the loss is their mean over pairs of views.
    Values grow with D: when all samples are one point, the value is D.

    Args:
        z: Embeddings (V, N, D).
        on_diagonal: Weight of the diagonal term.
        off_diagonal: Weight of the term off the diagonal; 0.0051 is the authors'.

    >>> import torch
    >>> barlow_twins(torch.ones(2, 8, 4))["loss"]  # one point: D
    tensor(4.)
    """
    standard = [
        batch_norm(view, None, None, training=True) for view in z.unbind()
    ]  # one pass where a formula takes ten
    on, off = [], []
    for a, b in combinations(standard, 2):
        diagonal, squared_norm = _correlation(a, b)
        on.append((1 - diagonal).square().sum())
        off.append(squared_norm - diagonal.square().sum())
    return combine({"on_diagonal": (on_diagonal, mean_of(on)), "off_diagonal": (off_diagonal, mean_of(off))})


class BarlowTwins(EmbeddingLoss, function=barlow_twins): ...


def _correlation(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Diagonal and squared norm of C = A^T B / N, a, b (N, D); when N < D by <A A^T, B B^T>, without a D x D matrix."""
    samples, features = a.shape
    if samples < features:
        return (a * b).mean(0), ((a @ a.T) * (b @ b.T)).sum() / samples**2
    c = a.T @ b / samples
    return c.diagonal(), c.square().sum()
