"""Alignment (Wang & Isola, 2020), arXiv:2005.10242. V views, N samples, D features."""

from __future__ import annotations

from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss
from fullrank.stats import normalize


@declare(
    formula="mean ‖u − v‖²",
    cost="ND",
    breaks=dict.fromkeys(
        ("point", "shape", "rank", "escape", "escape of few samples", "revival"),
        "one point is its optimum: it is the other half of a loss",
    ),
    point=0.0,
    blind_to="every collapse. One point is a perfect score; always add a term that spreads.",
)
@embedding_loss(min_samples=1, settings={"alpha": POSITIVE})
def alignment(z: Tensor, *, alpha: float = 2.0) -> Terms:
    """Mean distance, to the power alpha, between the views of a sample, on l2-normalized embeddings.

    The formula and alpha are the authors'; their code leaves the normalization to the caller. With V views the mean is
    over all pairs of views. The value is in [0, 2**alpha], and lower is better.

    Args:
        z: Embeddings (V, N, D).
        alpha: Power of the distance, above 0.

    >>> alignment(torch.tensor([[[1.0, 0.0]], [[0.0, 2.0]]]))["loss"]  # a right angle
    tensor(2.0000)
    """
    distances = torch.stack([torch.linalg.vector_norm(a - b, dim=-1) for a, b in combinations(normalize(z), 2)])
    equal = distances == 0  # where the slope of a power below 1 is infinite; false for NaN
    return combine({"alignment": (1.0, torch.where(equal, 0.0, torch.where(equal, 1.0, distances).pow(alpha)).mean())})


class Alignment(EmbeddingLoss, function=alignment): ...
