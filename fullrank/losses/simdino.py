"""SimDINO (Wu et al., 2025), arXiv:2502.10385. V views, N samples, D features."""

from __future__ import annotations

import math

from torch import Tensor

from fullrank.losses.coding_rate import rate
from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import PairLoss
from fullrank.losses.pairs import cross_view_cosine
from fullrank.losses.terms import POSITIVE, WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import normalize


@declare(
    formula="−c of prediction and target − (D + M)/(2DM) log det(I + D/(Mε) SᵀS), S: all M predictions",
    cost="NDK",
    weights={"rate": lambda z: 1 / z.shape[2] + 1 / (z.shape[0] * z.shape[1])},
    point=Point(lambda batch_size, dims: -1 - (1 / dims + 0.5 / batch_size) * math.log1p(dims / 0.5) / 2),
    blind_to="the norm; and to a collapse of the targets, which have no gradient.",
)
@embedding_loss(settings={"eps": POSITIVE, "similarity": WEIGHT, "expansion": WEIGHT})
def simdino(
    prediction: Tensor, target: Tensor, *, eps: float = 0.5, similarity: float = 1.0, expansion: float | None = None
) -> Terms:
    """SimDINO: pull predictions to the targets of the other views, and maximize the coding rate of the predictions.

    This is the authors' code, on l2-normalized rows. The term `similarity` is minus the mean cosine over ordered pairs
    of views. The term `rate` is minus half of log det(I + D / (M eps) S^T S) of the predictions S (M, D) of all views,
    M = V N. We could not verify that the rate takes all views at once, each with weight 1, and that the similarity has
    weight 1; these choices are ours. One point has the rate log(1 + D / eps) / 2, and the optimum is min(M, D) / 2
    log(1 + D / (min(M, D) eps)).

    It guards against complete and dimensional collapse of the predictions, without help from a predictor or a teacher.

    Args:
        prediction: The student's embeddings (V, N, D).
        target: The teacher's embeddings (T, N, D) of the first T views; they get no gradient.
        eps: Distortion of the coding rate, above 0; 0.5 in version 1 of the authors' code, and 0.05 in version 2.
        similarity: Weight of `similarity`.
        expansion: Weight of `rate`; None is the authors', (D + M) / (D M).

    >>> import torch
    >>> point = torch.ones(2, 8, 4)
    >>> simdino(point, point, eps=1.0)["rate"]  # -log(5) / 2
    tensor(-0.8047)
    """
    rows = normalize(prediction.double()).flatten(0, 1)
    count, features = rows.shape
    weight = (features + count) / (features * count) if expansion is None else expansion
    return combine(
        {
            "similarity": (similarity, -cross_view_cosine(prediction, target)),
            "rate": (weight, -rate(rows, eps).to(prediction.dtype)),
        }
    )


class SimDINO(PairLoss, function=simdino): ...
