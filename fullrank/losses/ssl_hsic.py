"""SSL-HSIC (Li, Pogodin, Sutherland & Gretton, 2021), arXiv:2106.08320. V views, N samples, D features."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, WEIGHT, Terms, combine, embedding_loss
from fullrank.stats import multiquadric_gaps, normalize


@declare(
    formula="−HSIC(Z, sample) + 3 √HSIC(Z, Z), inverse multiquadric kernel",
    cost="N²D",
    weights={"bottleneck": 3.0},
    breaks={
        "escape of few samples": "around one point, the bottleneck's 9 all but holds back noise of a rank of 10",
        "mean over pairs": "the bottleneck is one of all views",
    },
    point=0.0,
    blind_to=(
        "the norm; and to complete collapse where N or the rank is small. Around one point the loss is "
        "that of a cloud of participation ratio R, trace (bottleneck / sqrt(R) - 1): above R = "
        "bottleneck^2 the cloud grows, below it shrinks to the point. A batch needs N > bottleneck^2 + 1 "
        "= 10 for the best spread to beat one point at all."
    ),
)
@embedding_loss(settings={"bottleneck": WEIGHT, "scale": POSITIVE})
def ssl_hsic(z: Tensor, *, bottleneck: float = 3.0, scale: float = 1.0) -> Terms:
    """-HSIC(Z, Y) + bottleneck sqrt(HSIC(Z, Z)): embeddings depend on which sample Y they show, and on nothing else.

    It is computed over all V N rows, l2-normalized, with the inverse multiquadric kernel k = scale / sqrt(scale^2 + |u
    - v|^2). Y has one cluster per sample: its kernel is 1 for two views of the same sample, else 0. The term
    `dependence` is minus HSIC(Z, Y) up to a constant factor: the mean k of two different views of a sample, less the
    mean of all k, those of a row with itself included. The term `bottleneck` is the root of the biased estimate, |H K
    H|_F / (V N) with the centering H. The kernel matrix is exact, where the authors take 512 random features. We could
    not verify the length of the rows, the scale and the weight 3; they are ours.

    Args:
        z: Embeddings (V, N, D).
        bottleneck: Weight of `bottleneck`.
        scale: Scale of the kernel, above 0.

    >>> ssl_hsic(torch.eye(16).expand(2, 16, 16))["dependence"]  # orthogonal samples: (1 - 1 / N) (1 / sqrt(3) - 1)
    tensor(-0.3962)
    """
    rows = normalize(z.double())
    sums, squares = multiquadric_gaps(rows.flatten(0, 1), scale)
    count, total = len(sums), sums.sum()
    centered = (squares - 2 * sums.square().sum() / count + (total / count).square()).clamp_min(0.0)
    apart = torch.stack([(a - b).square().sum(1) for a, b in combinations(rows, 2)])
    between_views = 1 - (scale * torch.rsqrt(scale**2 + apart)).mean()
    one = centered == 0  # the root of nothing has no slope
    norm = torch.where(one, 0.0, torch.where(one, 1.0, centered).sqrt())
    return combine(
        {
            "dependence": (1.0, (between_views - total / count**2).to(z.dtype)),
            "bottleneck": (bottleneck, (norm / count).to(z.dtype)),
        }
    )


class SSLHSIC(EmbeddingLoss, function=ssl_hsic): ...
