"""FroSSL (Skean et al., 2024), arXiv:2310.02903. V views, N samples, D features."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import normalize, squared_gram_norm


@declare(
    formula="Σ log ‖C‖²/(tr C)² of X, uncentered + V D · mean squared distance to the mean view",
    cost="NDK",
    breaks={
        "revival": "the push on a direction fades with its variance, and the scaling of features mixes directions",
        "rotation": "scales single features",
        "mean over pairs": "sums over views, and similarity to the mean view",
    },
    point=0.0,
    blind_to=(
        "the scale of each feature. The missing dimensions of a collapse are not revived: the push on a "
        "direction fades with its variance."
    ),
)
@embedding_loss(settings={"invariance": WEIGHT})
def frossl(z: Tensor, *, invariance: float = 1.0) -> Terms:
    """FroSSL: two sums over views, on features scaled to unit length over the batch, not centered.

    The term `collision` is log |C / tr C|_F^2, which is minus the logarithm of the participation ratio of C = X^T X; it
    is in [-V log min(N, D), 0], and one point costs 0. The term `invariance` is V D times the mean squared difference
    to the mean view. The formula is lightly's; the authors' repository has had others (rows of length sqrt(D) instead
    of features, centered features for two views).

    It guards against complete collapse and few strong dimensions.

    Args:
        z: Embeddings (V, N, D).
        invariance: Weight of `invariance`.

    >>> frossl(torch.ones(2, 8, 4))["loss"].abs() < 1e-6  # one point
    tensor(True)
    """
    views, samples, _ = z.shape
    x = normalize(z, dim=1)
    squared_trace = x.detach().square().sum((1, 2)).square()  # (V,): D^2, less for dead features, whatever moves
    dead = squared_trace == 0  # nothing but zeros: collapsed, as one point
    share = torch.stack([squared_gram_norm(view) for view in x]) / torch.where(dead, 1.0, squared_trace)
    squared = (x - x.mean(0)).square().sum() / samples
    return combine(
        {"collision": (1.0, torch.where(dead, 1.0, share).log().sum()), "invariance": (invariance, views * squared)}
    )


class FroSSL(EmbeddingLoss, function=frossl): ...
