"""Decoupled contrastive loss, DCL and DCLW (Yeh et al., 2021), arXiv:2110.06848. V views, N samples, D features."""

from __future__ import annotations

import math

from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss, mean_of_two_views
from fullrank.stats import log_sums_over_others, normalize


@declare(
    formula="−c⁺/T + log Σ exp(c⁻/T), without the positive in the sum",
    cost="N²D",
    breaks={"mean over pairs": "every view of the other samples is a negative"},
    point=Point(lambda batch_size: math.log(2 * batch_size - 2), "ln(2 x {batch_size} - 2)"),
    blind_to="the norm. Weak against dimensional collapse.",
)
@embedding_loss(settings={"temperature": POSITIVE, "sigma": POSITIVE})
def dcl(z: Tensor, *, temperature: float = 0.1, sigma: float | None = None) -> Terms:
    """NT-Xent without the positive in its denominator, on l2-normalized rows: -w <u, v> / T + log sum exp.

    This is the authors' eq. 6 as a mean over samples and ordered pairs of views; the sum runs over the V (N - 1) views
    of all other samples in one logarithm, as in lightly 1.6. The value is negative when embeddings are healthy; one
    point has the value ln(V (N - 1)), which is ln(2N - 2) for two views.

    It guards against complete collapse and few clusters.

    Args:
        z: Embeddings (V, N, D).
        temperature: T, above 0.
        sigma: Makes it DCLW (the authors take 0.5), whose w = 2 - exp(<u, v> / sigma) / mean over the batch gives hard
            positives more weight, with a gradient, which lightly cuts; None is w = 1.

    >>> import torch
    >>> dcl(torch.ones(2, 8, 4))["loss"]  # one point: ln 14
    tensor(2.6391)
    """
    samples = z.shape[1]
    rows = normalize(z)
    negatives = log_sums_over_others(rows, 1 / temperature)  # (V, N)
    positives = (rows[:, None] * rows).sum(3)  # (V, V, N)
    weights = 1.0 if sigma is None else 2 - samples * (positives / sigma).softmax(2)
    losses = negatives[:, None, :] - weights * positives / temperature
    return combine({"dcl": (1.0, mean_of_two_views(losses))})


class DCL(EmbeddingLoss, function=dcl): ...
