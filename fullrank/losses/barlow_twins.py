"""Barlow Twins (Zbontar, Jing, Misra, LeCun & Deny, 2021), arXiv:2103.03230. V views, N samples, D features."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import WEIGHT, Terms, combine, embedding_loss


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
    """Distance of the views' cross-correlation (D, D) of z (V, N, D) from the identity.

    The authors' code: features standardized over the batch (divisor N, eps 1e-5), C = A^T B / N, terms
    sum (1 - C_ii)^2 and the sum of squares off the diagonal, weight 0.0051; the mean over pairs of views.
    Values grow with D: one point has the value D.

    >>> barlow_twins(torch.ones(2, 8, 4))["loss"]  # one point: D
    tensor(4.)
    """
    samples = z.shape[1]
    x = z - z.mean(1, keepdim=True)
    standard = x / (x.square().mean(1, keepdim=True) + 1e-5).sqrt()
    on, off = [], []
    for a, b in combinations(standard, 2):
        diagonal = (a * b).mean(0)
        on.append((1 - diagonal).square().sum())
        off.append(_squared_product_norm(a, b) / samples**2 - diagonal.square().sum())
    return combine(
        {
            "on_diagonal": (on_diagonal, torch.stack(on).mean()),
            "off_diagonal": (off_diagonal, torch.stack(off).mean()),
        }
    )


class BarlowTwins(EmbeddingLoss, function=barlow_twins): ...


def _squared_product_norm(a: Tensor, b: Tensor) -> Tensor:
    """|A^T B|_F^2 of a, b (N, D); when N < D as <A A^T, B B^T>, which needs no D x D matrix."""
    if a.shape[0] < a.shape[1]:
        return ((a @ a.T) * (b @ b.T)).sum()
    return (a.T @ b).square().sum()
