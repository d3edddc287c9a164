"""What losses of predictions and targets share: means over pairs of views, and a queue of older targets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fullrank.losses.terms import COUNT, finite_or
from fullrank.stats import normalize


def cross_view_cosine(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean over ordered pairs of different views and over samples of cos(prediction, target); both (V, N, D).

    A teacher may have seen only the first T of the views: target (T, N, D).

    >>> cross_view_cosine(torch.eye(2).view(2, 1, 2), torch.eye(2).view(2, 1, 2))  # orthogonal views
    tensor(0.)
    """
    return cross_view_product(normalize(prediction), normalize(target.detach().to(prediction.dtype)))


def cross_view_product(a: Tensor, b: Tensor) -> Tensor:
    """Mean over ordered pairs of different views and over samples of the inner products of a (V, N, D) and b (T, N, D).

    >>> cross_view_product(torch.eye(2).view(2, 1, 2), torch.ones(2, 1, 2))
    tensor(1.)
    """
    # Sums and no matrix product, which over many features adds up the rounding of float32.
    products = [(a[i] * b[j]).sum(-1).mean() for i, j in ordered_pairs(a, b)]
    return torch.stack(products).mean()


def ordered_pairs(a: Tensor, b: Tensor) -> list[tuple[int, int]]:
    """Pairs (i, j) of a view of a (V, N, D) and another view of b (T, N, D).

    >>> ordered_pairs(torch.ones(3, 1, 1), torch.ones(1, 1, 1))
    [(1, 0), (2, 0)]
    """
    return [(i, j) for i in range(len(a)) for j in range(len(b)) if i != j]


class Queue(nn.Module):
    """The last `size` unit vectors, newest first; a buffer, so it is in every checkpoint."""

    queue: Tensor

    def __init__(self, features: int, size: int) -> None:
        COUNT.check(type(self).__name__, "size", size)
        super().__init__()
        self.register_buffer("queue", normalize(torch.randn(size, features)))

    @torch.no_grad()
    def enqueue(self, keys: Tensor) -> None:
        """Put keys (M, D) in front, and drop as many of the oldest. This makes a new tensor: the old one is in the
        graph.
        """
        if self.training:
            queue = torch.cat([keys.to(self.queue.dtype), self.queue])[: len(self.queue)]
            self.queue = finite_or(self.queue, queue)
