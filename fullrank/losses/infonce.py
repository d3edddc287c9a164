"""InfoNCE (van den Oord, Li & Vinyals, 2018), arXiv:1807.03748. V views, N samples, D features."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss
from fullrank.stats import log_sums_of_both, normalize


@declare(
    formula="−c⁺/T + log Σ exp(c/T) over the other view",
    cost="N²D",
    point=Point(lambda batch_size: math.log(batch_size), "ln {batch_size}"),
    blind_to="the norm. Weak against dimensional collapse; its value depends on the temperature and on N.",
)
@embedding_loss(settings={"temperature": POSITIVE})
def infonce(z: Tensor, *, temperature: float = 0.1) -> Terms:
    """Cross-entropy of finding sample i of one view among the N samples of another, on l2-normalized rows.

    This is the symmetric form of CLIP and MoCo v3: there are N - 1 negatives, all from the other view, and the loss is
    the mean over every ordered pair of views. The value of one point, of any norm and at any temperature, is ln N.

    Args:
        z: Embeddings (V, N, D).
        temperature: Divides the cosines, above 0; a parameter gets its gradient, and is learned.

    >>> infonce(torch.ones(2, 8, 4))["loss"]  # one point: ln 8
    tensor(2.0794)
    """
    losses = []
    for a, b in combinations(normalize(z), 2):
        positives = (a * b).sum(1) / temperature
        losses += [sums - positives for sums in log_sums_of_both(a, b, 1 / temperature)]
    return combine({"infonce": (1.0, torch.stack(losses).mean())})


class InfoNCE(EmbeddingLoss, function=infonce): ...
