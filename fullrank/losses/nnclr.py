"""NNCLR (Dwibedi et al., 2021), arXiv:2104.14548. V views, N samples, D features."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullrank.losses.declaration import Point, declare
from fullrank.losses.pairs import Queue, ordered_pairs
from fullrank.losses.terms import POSITIVE, Terms, check_features, combine, embedding_loss
from fullrank.stats import normalize


@declare(
    formula="InfoNCE with the queue's nearest neighbor of the target",
    cost="NQD + N²D",
    point=Point(lambda batch_size: math.log(batch_size), "ln {batch_size}"),
    blind_to="the norm. Weak against dimensional collapse.",
)
class NNCLR(Queue):
    """Predictions find, in the batch, the queue's nearest neighbor of the other view's target.

    The neighbor is the query, and the predictions of all samples are the candidates; the loss is the mean over samples
    and ordered pairs of views. The targets of the first view are then enqueued. Temperature 0.1 is the paper's; the
    queue of 4096 is ours, for small data.

    Args:
        features: Number of features D of the embeddings.
        size: Number of targets in the queue, at least 1.
        temperature: Divides the cosines, above 0.

    >>> NNCLR(features=4, size=8)(torch.ones(2, 3, 4), torch.ones(2, 3, 4))["loss"]  # one point: ln 3
    tensor(1.0986)
    """

    def __init__(self, features: int, size: int = 4096, temperature: float = 0.1) -> None:
        POSITIVE.check("NNCLR", "temperature", temperature)
        super().__init__(features, size)
        self.temperature = temperature

    def forward(self, prediction: Tensor, target: Tensor) -> Terms:
        """The terms of predictions and targets (V, N, D); in training mode, this also enqueues the first view."""
        terms = nnclr(prediction, target, self)
        self.enqueue(normalize(target[0].detach().float()))
        return terms


@embedding_loss()
def nnclr(prediction: Tensor, target: Tensor, state: NNCLR) -> Terms:
    """What an `NNCLR` computes, as a function, so that its input is checked like that of every loss."""
    check_features(prediction, "nnclr", state.queue.shape[1])
    targets = normalize(target.detach().float())
    neighbors = state.queue[(targets @ state.queue.T.to(targets.dtype)).argmax(-1)]  # (V, N, D)
    p, matching = normalize(prediction), torch.arange(prediction.shape[1], device=prediction.device)
    pairs = ordered_pairs(p, neighbors)
    losses = [cross_entropy(neighbors[b].to(p.dtype) @ p[a].T / state.temperature, matching) for a, b in pairs]
    return combine({"nnclr": (1.0, torch.stack(losses).mean())})
