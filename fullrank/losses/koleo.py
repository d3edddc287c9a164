"""KoLeo (Sablayrolles, Douze, Schmid & Jegou, 2019), arXiv:1806.03198. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss
from fullrank.stats import normalize

_BLOCK = 1024  # rows at a time


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
    """Minus the mean log of the distance to the nearest neighbor in its view, on l2-normalized z (V, N, D).

    The Kozachenko-Leonenko estimate of entropy, up to constants. DINOv2's code and eps, which stands inside the
    logarithm (theirs adds 1e-8 to every difference as well); the mean over views. One point costs -log eps = 18.4.
    A regularizer: DINOv2 adds it with weight 0.1.

    Guards against: complete collapse and duplicates, the harder the closer they are.

    >>> koleo(torch.eye(4).expand(2, 4, 4))["loss"]  # all at sqrt(2): -log(2) / 2
    tensor(-0.3466)
    """
    return combine({"koleo": (1.0, torch.stack([_log_gap(rows, eps) for rows in normalize(z)]).mean().neg())})


class KoLeo(EmbeddingLoss, function=koleo): ...


def _log_gap(rows: Tensor, eps: float) -> Tensor:
    """Mean of log(distance to the nearest other row + eps) for rows (N, D)."""
    x = (rows - rows.mean(0)).detach()  # distances do not change, and their rounding becomes relative to the spread
    halves = x.square().sum(1).neg_().div_(2)
    nearest = torch.empty(len(x), dtype=torch.long, device=x.device)
    for start in range(0, len(x), _BLOCK):
        block = x[start : start + _BLOCK]
        closeness = torch.addmm(halves, block, x.T)  # (B, N): the square of the row less its distance's, halved
        closeness.diagonal(start).fill_(-math.inf)
        nearest[start : start + _BLOCK] = closeness.argmax(1)
    gap: Tensor = torch.linalg.vector_norm(rows - rows[nearest], dim=1)
    return (gap + eps).log().mean()
