"""DirectCLR and the projectors it is compared with (Jing, Vincent, LeCun & Tian, 2022), arXiv:2110.09348.

All of them take a representation (N, width). The paper's propositions: a linear projector needs only to be diagonal,
and of low rank; so a part of the representation does, without weights.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from fullrank.nn.heads import mlp

Head = Literal["first", "random", "group", "none", "linear", "mlp", "orthogonal", "diagonal", "low-rank"]


class FirstFeatures(nn.Module):
    """The first features, the embedding of DirectCLR; `loss_features` says how many enter the loss.

    >>> FirstFeatures(2)(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2.]])
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self.loss_features = count

    def forward(self, h: Tensor) -> Tensor:
        """(N, width) to (N, count)."""
        return h[:, : self.loss_features]


class RandomFeatures(nn.Module):
    """In training other random features, in random order, at every step; in eval mode the first.

    The views of a step must meet the same features, so each draw serves `views` calls. It is a function of a seed,
    taken when the head is made, and of the number of calls: the same in every process, and after a resume.

    >>> RandomFeatures(2).eval()(torch.tensor([[1.0, 2.0, 3.0]]))
    tensor([[1., 2.]])
    """

    seed: Tensor
    calls: Tensor

    def __init__(self, count: int, views: int = 2) -> None:
        super().__init__()
        self.count = count
        self.views = views
        self.register_buffer("seed", torch.randint(2**62, ()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, h: Tensor) -> Tensor:
        """(N, width) to (N, count)."""
        if not self.training:
            return h[:, : self.count]
        step = int(self.calls) // self.views
        self.calls += 1
        generator = torch.Generator().manual_seed(int(self.seed) + step)
        return h[:, torch.randperm(h.shape[1], generator=generator)[: self.count].to(h.device)]


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
    """A projector of tables 1 and 2 of the paper, by name, for representations (N, width).

    first: DirectCLR. random: fresh d0 features each step (of `views` calls). none: the representation. linear:
    trainable, to 128. mlp: SimCLR's two layers, to 128. orthogonal: trainable, all singular values one. diagonal:
    trainable. low-rank: fixed, rank d0.

    Args:
        head: The name of the projector.
        width: Width of the representation.
        d0: How many of its features enter the loss, or the rank.
        views: How many views a step has.

    >>> directclr_head("linear", 512, 64)
    Linear(in_features=512, out_features=128, bias=False)
    """
    if head == "first":
        return FirstFeatures(d0)
    if head == "random":
        return RandomFeatures(d0, views)
    if head == "group":
        return RandomFeatures(width, views)
    if head == "linear":
        return nn.Linear(width, 128, bias=False)
    if head == "mlp":
        return mlp(width, [width, 128], last_bias=False, last_norm="batch")
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
