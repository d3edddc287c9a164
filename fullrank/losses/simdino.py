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
    """Pull predictions (V, N, D) to the targets (V, N, D) of the other views, and maximize their own coding rate.

    The authors' code, on l2-normalized rows. similarity: minus the mean cosine over ordered pairs of views. rate: minus
    half of log det(I + D / (M eps) S^T S) of the predictions S (M, D) of all views, M = V N. expansion=None is the
    authors' weight of the rate, (D + M) / (D M); eps is 0.5 (v1) or 0.05 (v2). That the rate takes all views at once,
    each of them with weight 1, and that the similarity has weight 1, is unverified: ours.

    One point has the rate log(1 + D / eps) / 2, the optimum min(M, D) / 2 log(1 + D / (min(M, D) eps)).

    Guards against: complete and dimensional collapse of the predictions, without help from a predictor or a teacher.

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
