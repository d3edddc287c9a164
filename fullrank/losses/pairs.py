"""What losses of predictions and targets share: the cosine across views, and a queue of older targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fullrank.stats import normalize


def cross_view_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over ordered pairs of different views and over samples of cos(prediction, target); both (V, N, D).

    A teacher may have seen only the first T of the views: target (T, N, D).

    >>> cross_view_cosine(torch.eye(2).view(2, 1, 2), torch.eye(2).view(2, 1, 2))  # orthogonal views
    tensor(0.)
    """
    p, t = normalize(prediction), normalize(target.detach().to(prediction.dtype))
    cosine = torch.einsum("and,bnd->ab", p, t) / p.shape[1]  # (V, T): mean over samples
    same = cosine.diagonal()
    return (cosine.sum() - same.sum()) / (cosine.numel() - len(same))


class Queue(nn.Module):
    """The last `size` unit vectors, newest first; a buffer, so it is in every checkpoint."""

    queue: Tensor

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.register_buffer("queue", normalize(torch.randn(size, features)))

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Put keys (M, D) in front; as many of the oldest fall out. A new tensor: the old one is in the graph."""
        if self.training:
            self.queue = torch.cat([keys.to(self.queue.dtype), self.queue])[: len(self.queue)]
