"""Total coding rate of EMP-SSL (Tong, Chen, Ma & LeCun, 2023), arXiv:2304.03977. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import log_determinant, normalize, smaller_gram

EPS = 0.2  # the authors' distortion


@declare(
    formula="−200 c(u, mean view) − ½ log det(I + D/(Nε) UᵀU)",
    cost="NDK",
    weights={"similarity": 200.0},
    breaks={"mean over pairs": "similarity to the mean view"},
    point=Point(lambda dims: -200 - math.log1p(dims / 0.2) / 2),
    blind_to="the norm.",
)
@embedding_loss(settings={"eps": POSITIVE, "invariance": WEIGHT, "expansion": WEIGHT})
def coding_rate(z: Tensor, *, eps: float = EPS, invariance: float = 200.0, expansion: float = 1.0) -> Terms:
    """EMP-SSL: pull every view to the mean of its sample, and maximize the coding rate of each view.

    This is the authors' code, on l2-normalized rows U. The term `similarity` is minus the mean cosine between a view
    and the mean view. The term `rate` is minus half of log det(I + D / (N eps) U^T U), averaged over views, so that the
    rate is maximized (lightly 1.6 has the other sign, whose optimum is collapse). One point has the rate log(1 + D /
    eps) / 2 for any N.

    It guards against complete and dimensional collapse; the push on missing dimensions is strong and of first order.

    Args:
        z: Embeddings (V, N, D).
        eps: Distortion of the coding rate, above 0.
        invariance: Weight of `similarity`.
        expansion: Weight of `rate`.

    >>> coding_rate(torch.ones(2, 8, 4), eps=1.0)["rate"]  # one point: -log(5) / 2
    tensor(-0.8047)
    """
    rows = normalize(z.double())
    similarity = (rows * normalize(rows.mean(0))).sum(2).mean()
    expanded = mean_rate(rows, eps)
    return combine({"similarity": (invariance, -similarity.to(z.dtype)), "rate": (expansion, -expanded.to(z.dtype))})


class CodingRate(EmbeddingLoss, function=coding_rate): ...


def mean_rate(rows: Tensor, eps: float = EPS) -> Tensor:
    """The mean over views of the rate of rows (V, N, D) of unit length; one view is enough.

    >>> mean_rate(torch.ones(2, 3, 1), eps=1.0)  # log(2) / 2
    tensor(0.3466)
    """
    return torch.stack([rate(view, eps) for view in rows]).mean()


def rate(rows: Tensor, eps: float) -> Tensor:
    """Half of log det(I + D / (N eps) U^T U) of U (N, D), by Cholesky on the smaller side (Sylvester's identity).

    >>> rate(torch.ones(3, 1), eps=1.0)  # log(2) / 2
    tensor(0.3466)
    """
    n, d = rows.shape
    gram = smaller_gram(rows)
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return 0.5 * log_determinant(eye + d / (n * eps) * gram)
