"""DirectCLR and the projectors it is compared with (Jing, Vincent, LeCun & Tian, 2022), arXiv:2110.09348.

All of them take a representation (N, width). The paper's propositions: a linear projector needs only to be diagonal,
and of low rank; so a part of the representation does, without weights.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

Head = Literal["first", "random", "none", "linear", "orthogonal", "diagonal", "low-rank"]


class FirstFeatures(nn.Module):
    """The first d0 features, the embedding of DirectCLR.

    >>> FirstFeatures(2)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2.]])
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.count = count

    def forward(self, h: Tensor) -> Tensor:
        """(N, width) to (N, d0)."""
        return h[:, : self.count]


class RandomFeatures(FirstFeatures):
    """In training another random d0 features at every call; in eval mode the first.

    The views of a step must meet the same features: each draw serves `views` calls (2).

    >>> RandomFeatures(2).eval()(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2.]])
    """

    def __init__(self, count: int, views: int = 2) -> None:
        super().__init__(count)
        self.views = views
        self.calls = 0
        self.chosen = torch.zeros(0, dtype=torch.int64)

    def forward(self, h: Tensor) -> Tensor:
        """(N, width) to (N, d0)."""
        if not self.training:
            return super().forward(h)
        if self.calls % self.views == 0:
            self.chosen = torch.randperm(h.shape[1])[: self.count].to(h.device)
        self.calls = (self.calls + 1) % self.views
        return h[:, self.chosen]


class Diagonal(nn.Module):
    """One trainable factor for each feature; it starts at one, which the paper does not say.

    >>> Diagonal(2)(torch.ones(1, 2))
    tensor([[1., 1.]], grad_fn=<MulBackward0>)
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.ones(width))

    def forward(self, h: Tensor) -> Tensor:
        """(N, width) to (N, width)."""
        return h * self.factor


class LowRank(nn.Module):
    """A fixed map with d0 singular values of one and the rest zero, its bases random orthogonal (Haar).

    >>> torch.linalg.matrix_rank(LowRank(8, rank=3).weight)
    tensor(3)
    """

    weight: Tensor

    def __init__(self, width: int, rank: int) -> None:
        super().__init__()
        left, right = _orthogonal(width), _orthogonal(width)
        self.register_buffer("weight", left[:, :rank] @ right[:rank])

    def forward(self, h: Tensor) -> Tensor:
        """(N, width) to (N, width)."""
        return h @ self.weight.T


def directclr_head(head: Head, width: int, d0: int, *, views: int = 2) -> nn.Module:
    """A projector of table 2 of the paper, by name, for representations (N, width).

    first: DirectCLR. random: fresh d0 features each step (of `views` calls). none: the representation. linear:
    trainable, to 128. orthogonal: trainable, all singular values one. diagonal: trainable. low-rank: fixed, rank d0.

    >>> directclr_head("linear", 512, 64)
    Linear(in_features=512, out_features=128, bias=False)
    """
    if head == "first":
        return FirstFeatures(d0)
    if head == "random":
        return RandomFeatures(d0, views)
    if head == "linear":
        return nn.Linear(width, 128, bias=False)
    if head == "orthogonal":
        return parametrizations.orthogonal(nn.Linear(width, width, bias=False), orthogonal_map="matrix_exp")
    if head == "diagonal":
        return Diagonal(width)
    return LowRank(width, d0) if head == "low-rank" else nn.Identity()


def _orthogonal(width: int) -> Tensor:
    """A random orthogonal matrix, uniform over all of them: QR of a Gaussian with its signs fixed."""
    q, r = torch.linalg.qr(torch.randn(width, width))
    orthogonal: Tensor = q * r.diagonal().sign()
    return orthogonal
