"""MoCo v2 (Chen, Fan, Girshick & He, 2020), arXiv:2003.04297. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullrank.losses.declaration import declare
from fullrank.losses.pairs import Queue, ordered_pairs
from fullrank.losses.terms import POSITIVE, Terms, check_features, combine, embedding_loss
from fullrank.stats import normalize


@declare(
    formula="cross-entropy of the key among a queue of Q, both directions",
    cost="NQD",
    weights={"moco": 2.0},
    point=2 * math.log(4096 + 1),
    blind_to="the norm. Weak against dimensional collapse.",
)
class MoCo(Queue):
    """Contrast of queries with the keys of the other view against a queue of older keys.

    For two views it is the sum of CE(q1, k2) and CE(q2, k1), each a mean over samples, with the queue as it was before;
    then both views are enqueued. This is the symmetric code of Fang et al. (2024), with temperature 0.2 and a queue of
    4096. With V views it is twice the mean over ordered pairs. The queue starts as random unit vectors.

    Args:
        features: Number of features D of the embeddings.
        size: Number of keys in the queue, at least 1.
        temperature: Divides the cosines, above 0.

    >>> moco = MoCo(features=4, size=8)
    >>> moco(moco.queue[:6].view(2, 3, 4), torch.ones(2, 3, 4))["loss"].shape
    torch.Size([])
    """

    def __init__(self, features: int, size: int = 4096, temperature: float = 0.2) -> None:
        POSITIVE.check("MoCo", "temperature", temperature)
        super().__init__(features, size)
        self.temperature = temperature

    def forward(self, query: Tensor, key: Tensor) -> Terms:
        """The terms of queries and keys (V, N, D); in training mode, this also enqueues the keys."""
        terms = moco(query, key, self)
        self.enqueue(normalize(key.detach().float()).flatten(0, 1))
        return terms


@embedding_loss(min_samples=1)
def moco(query: Tensor, key: Tensor, state: MoCo) -> Terms:
    """What a `MoCo` computes, as a function, so that its input is checked like that of every loss."""
    check_features(query, "moco", state.queue.shape[1])
    q, k = normalize(query), normalize(key.detach().float()).to(query.dtype)
    negatives = q @ state.queue.to(q.dtype).T  # (V, N, K)
    first = torch.zeros(q.shape[1], dtype=torch.int64, device=q.device)
    losses = []
    for a, b in ordered_pairs(q, k):
        positive = (q[a] * k[b]).sum(1, keepdim=True)
        losses.append(cross_entropy(torch.cat([positive, negatives[a]], 1) / state.temperature, first))
    return combine({"moco": (2.0, torch.stack(losses).mean())})
