"""VICReg (Bardes, Ponce & LeCun, 2022), arXiv:2105.04906. V views, N samples, D features."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import squared_gram_norm


@declare(
    formula="25 mean squared difference + 25 mean max(0, 1 − std) + Σ Cᵢⱼ²/D",
    cost="NDK",
    weights={"invariance": 25.0, "variance": 25.0, "covariance": 1.0},
    breaks={
        "revival": "missing directions feel only the variance of single features, which mixes them with live ones",
        "rotation": "variance and covariance of single features",
        "large norms": "covariances are squared, so norms beyond 1e9 do not fit float32",
    },
    point=24.75,
    blind_to=(
        "nothing of complete, dimensional or norm collapse; but near dimensional collapse the missing "
        "dimensions are pushed only through the variance of single features, so a lost rank may come back "
        "late."
    ),
)
@embedding_loss(settings={"invariance": WEIGHT, "variance": WEIGHT, "covariance": WEIGHT})
def vicreg(z: Tensor, *, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0) -> Terms:
    """VICReg with the weights and halves of the authors' code, not of their eq. 6.

    The term `invariance` is the mean squared difference of two views, over elements and pairs of views. The term
    `variance` is the mean over features and views of max(0, 1 - sqrt(var + 1e-4)), divisor N - 1. The term `covariance`
    is the sum over two views of the squared off-diagonal covariances over D; with V views, it is twice their mean.

    Args:
        z: Embeddings (V, N, D).
        invariance: Weight of `invariance`.
        variance: Weight of `variance`.
        covariance: Weight of `covariance`.

    >>> vicreg(torch.zeros(2, 8, 4))["loss"]  # one point costs 25 * (1 - sqrt(1e-4))
    tensor(24.7500)
    """
    views, samples, features = z.shape
    x = z - z.mean(1, keepdim=True)
    var = x.square().sum(1) / (samples - 1)  # (V, D)
    gram = torch.stack([squared_gram_norm(view) for view in x]) / (samples - 1) ** 2
    off_diagonal = (gram - var.square().sum(1)) / features  # |C|^2 - |diag C|^2: no D x D matrix is needed
    squared = 2 * (z - z.mean(0)).square().sum(0) / (views - 1)  # the mean over pairs of views
    return combine(
        {
            "invariance": (invariance, squared.mean()),
            "variance": (variance, torch.relu(1 - (var + 1e-4).sqrt()).mean()),
            "covariance": (covariance, 2 * off_diagonal.mean()),
        }
    )


class VICReg(EmbeddingLoss, function=vicreg): ...
