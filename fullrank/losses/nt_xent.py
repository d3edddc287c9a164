"""NT-Xent (Chen, Kornblith, Norouzi & Hinton, SimCLR, 2020), arXiv:2002.05709. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss, mean_of_two_views
from fullrank.stats import log_sums_over_others, normalize


@declare(
    formula="−c⁺/T + log Σ exp(c/T) over both views",
    cost="N²D",
    breaks={"mean over pairs": "every view of the other samples is a negative"},
    point=Point(lambda batch_size: math.log(2 * batch_size - 1), "ln(2 x {batch_size} - 1)"),
    blind_to="the norm. Weak against dimensional collapse; its value depends on the temperature and on N.",
)
@embedding_loss(settings={"temperature": POSITIVE})
def nt_xent(z: Tensor, *, temperature: float = 0.5) -> Terms:
    """SimCLR's cross-entropy of a view against one other view of its sample, on l2-normalized rows.

    The formula is the authors': for two views there are 2N - 2 negatives, from both views. With V views, every ordered
    pair of views of a sample is one task, against the V (N - 1) views of all other samples; the remaining views of the
    same sample take no part. One point has the value ln(1 + V (N - 1)), which is ln(2N - 1) for two views.

    Args:
        z: Embeddings (V, N, D).
        temperature: Divides the cosines, above 0; a parameter gets its gradient, and is learned.

    >>> nt_xent(torch.ones(2, 8, 4))["loss"]  # one point: ln 15
    tensor(2.7081)
    """
    rows = normalize(z)
    negatives = log_sums_over_others(rows, 1 / temperature)  # (V, N)
    positives = (rows[:, None] * rows).sum(3) / temperature  # (V, V, N)
    losses = torch.logaddexp(positives, negatives[:, None, :]) - positives
    return combine({"nt_xent": (1.0, mean_of_two_views(losses))})


class NTXent(EmbeddingLoss, function=nt_xent): ...
