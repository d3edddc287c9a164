"""VIbCReg (Lee & Aune, 2021), arXiv:2109.00783. V views, N samples, D features."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import STEPS, WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import newton, normalize, squared_gram_norm


@declare(
    formula="VICReg of Newton-whitened views, 200 mean correlation² for Σ Cᵢⱼ²/D",
    cost="NDK + TK³",
    weights={"invariance": 25.0, "variance": 25.0, "covariance": 200.0},
    breaks={
        **dict.fromkeys(
            ("escape", "escape of few samples"),
            "whitened, so free of offset and scale: the noise around one point is a cloud",
        ),
        "rotation": "variance and correlation of single features",
    },
    point=49.5,
    blind_to=(
        "offset and scale of a view, so that near one point its noise is seen as a cloud. What guards "
        "against dimensional collapse is the variance, which few iterations leave below 1 in weak "
        "directions."
    ),
)
@embedding_loss(settings={"invariance": WEIGHT, "variance": WEIGHT, "covariance": WEIGHT, "iterations": STEPS})
def vibcreg(
    z: Tensor, *, invariance: float = 25.0, variance: float = 25.0, covariance: float = 200.0, iterations: int = 5
) -> Terms:
    """VICReg of Newton-whitened views, with correlations in the place of covariances.

    Each view is whitened by Newton's iteration (IterNorm). The term `invariance` is that of `vicreg`, of the whitened
    views. The term `variance` is the sum over two views of the hinge max(0, 1 - std), averaged over features, as the
    authors sum it. The term `covariance` is the sum over two views of the squared off-diagonal correlations over D^2.
    With V views, both are twice their means. The two changes are the authors'; we could not verify that the whitening
    comes before all three terms, nor the weights, the iterations and the halves, which are ours.

    Args:
        z: Embeddings (V, N, D).
        invariance: Weight of `invariance`.
        variance: Weight of `variance`.
        covariance: Weight of `covariance`.
        iterations: Steps of Newton's iteration.

    >>> vibcreg(torch.ones(2, 8, 4))["loss"]  # one point costs 2 * 25 * (1 - sqrt(1e-4))
    tensor(49.5000)
    """
    views, samples, features = z.shape
    white = torch.stack([newton(view, iterations, axis="batch") for view in z])  # centered
    var = white.square().sum(1) / (samples - 1)  # (V, D)
    unit = normalize(white, dim=1)  # columns of length 1: their Gram matrix is the correlation
    gram = torch.stack([squared_gram_norm(view) for view in unit])
    off_diagonal = (gram - unit.square().sum(1).square().sum(1)) / features**2
    squared = 2 * (white - white.mean(0)).square().sum(0) / (views - 1)  # the mean over pairs of views
    return combine(
        {
            "invariance": (invariance, squared.mean()),
            "variance": (variance, 2 * torch.relu(1 - (var + 1e-4).sqrt()).mean()),
            "covariance": (covariance, 2 * off_diagonal.mean()),
        }
    )


class VIbCReg(EmbeddingLoss, function=vibcreg): ...
