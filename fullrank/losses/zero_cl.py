"""Zero-CL (Zhang et al., ICLR 2022). V views, N samples, D features."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import Axis, spectral


@declare(
    formula="−tr AᵀB of whitened samples, and of whitened features",
    cost="NDK + K³",
    breaks={
        **dict.fromkeys(
            ("rank", "escape", "escape of few samples", "revival"),
            "whitened views that agree move only when a dimension is quite gone",
        ),
        "rotation": "centers every sample over its features",
    },
    point=Point(lambda dims: -1 / (dims - 1)),
    blind_to=(
        "the norm and the offset, and to how uneven the spectrum is. It sees dimensions that are gone, "
        "not those that are almost gone: where the views agree, its gradient is zero."
    ),
)
@embedding_loss(settings={"instance": WEIGHT, "feature": WEIGHT})
def zero_cl(z: Tensor, *, instance: float = 1.0, feature: float = 1.0) -> Terms:
    """Minus the correlation tr(A^T B) of two ZCA-whitened views, over samples and over features.

    The term `instance` whitens the samples (N x N covariance over features), and `feature` the features (D x D, over
    samples). That much is known of the method. We could not verify the rest, which is ours: each correlation is divided
    by its largest possible value, so that each term is in [-1, 1] and -1 is the best; both weights are 1; eigenvalues
    are floored at 1e-10 of the largest; with V views, the loss is the mean over pairs of views.

    Args:
        z: Embeddings (V, N, D).
        instance: Weight of `instance`.
        feature: Weight of `feature`.

    >>> zero_cl(torch.ones(2, 8, 4))["loss"].abs()  # one point
    tensor(0.)
    """
    return combine({"instance": (instance, _correlation(z, "channel")), "feature": (feature, _correlation(z, "batch"))})


class ZeroCL(EmbeddingLoss, function=zero_cl): ...


def _correlation(z: Tensor, axis: Axis) -> Tensor:
    rows, columns = z.shape[1:] if axis == "batch" else z.shape[:0:-1]  # centered over the rows
    best = max(1, (rows - 1) * min(rows - 1, columns))  # the squared norm of a whitened view of full rank
    white = torch.stack([spectral(view, torch.rsqrt, axis=axis) for view in z])
    return -torch.stack([(a * b).sum() for a, b in combinations(white, 2)]).mean() / best
