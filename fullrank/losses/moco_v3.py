"""MoCo v3 (Chen, Xie & He, 2021), arXiv:2104.02057. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import PairLoss
from fullrank.losses.pairs import ordered_pairs
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss
from fullrank.stats import normalize


@declare(
    formula="4T cross-entropy of the key among those of the batch",
    cost="N²D",
    weights={"moco_v3": 4 * 0.2},
    point=Point(lambda batch_size: 0.8 * math.log(batch_size)),
    blind_to="the norm. Weak against dimensional collapse; its value depends on the temperature and on N.",
)
@embedding_loss(settings={"temperature": POSITIVE})
def moco_v3(prediction: Tensor, target: Tensor, *, temperature: float = 0.2) -> Terms:
    """Contrast of predictions with the teacher's keys of another view, without a queue.

    The loss is 2 T CE over the N keys of the other view, of which one is the sample's own and N - 1 are negatives. For
    two views it is the sum of both directions, each a mean over samples; with V views, it is twice the mean over
    ordered pairs. The factor 2 T keeps the size of the gradient over temperatures. The formula is the paper's; we could
    not verify the temperature, which is ours.

    Args:
        prediction: The predictor's outputs (V, N, D) of the student.
        target: The teacher's embeddings (T, N, D) of the first T views.
        temperature: T, above 0.

    >>> moco_v3(torch.ones(2, 8, 4), torch.ones(2, 8, 4), temperature=0.5)["loss"]  # one point: 4 T ln N
    tensor(4.1589)
    """
    p, k = normalize(prediction), normalize(target.detach().to(prediction.dtype))
    matching = torch.arange(p.shape[1], device=p.device)
    losses = [cross_entropy(p[a] @ k[b].T / temperature, matching) for a, b in ordered_pairs(p, k)]
    return combine({"moco_v3": (4 * temperature, torch.stack(losses).mean())})


class MoCoV3(PairLoss, function=moco_v3): ...
