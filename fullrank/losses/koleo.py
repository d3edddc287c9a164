"""KoLeo (Sablayrolles, Douze, Schmid & Jegou, 2019), arXiv:1806.03198. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss
from fullrank.stats import nearest_others, normalize


@declare(
    formula="−mean log min ‖uᵢ − uⱼ‖",
    cost="N²D",
    breaks={"pairing": "each view alone"},
    point=-math.log(1e-8),
    blind_to=(
        "the norm, and whether the views of a sample agree. Weak against dimensional collapse; exact "
        "duplicates get no gradient."
    ),
)
@embedding_loss(min_views=1, settings={"eps": POSITIVE})
def koleo(z: Tensor, *, eps: float = 1e-8) -> Terms:
    """Minus the mean logarithm of the distance to the nearest neighbor in the same view, on l2-normalized rows.

    This is the Kozachenko-Leonenko estimate of entropy up to constants, averaged over views. Code and eps are DINOv2's,
    with eps inside the logarithm (theirs also adds 1e-8 to every difference). One point costs -log eps = 18.4. It is a
    regularizer: DINOv2 adds it with a weight of 0.1.

    It guards against complete collapse and duplicates; the closer they are, the harder it pushes.

    Args:
        z: Embeddings (V, N, D).
        eps: What is added to the distance, above 0.

    >>> koleo(torch.eye(4).expand(2, 4, 4))["loss"]  # all at sqrt(2): -log(2) / 2
    tensor(-0.3466)
    """
    rows = normalize(z)
    nearest = nearest_others(rows) + len(rows[0]) * torch.arange(len(rows), device=z.device)[:, None]
    gaps = torch.linalg.vector_norm(rows.flatten(0, 1) - rows.flatten(0, 1).index_select(0, nearest.flatten()), dim=1)
    return combine({"koleo": (1.0, (gaps + eps).log().mean().neg())})


class KoLeo(EmbeddingLoss, function=koleo): ...
