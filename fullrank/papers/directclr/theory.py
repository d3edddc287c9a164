"""The theory of DirectCLR (Jing, Vincent, LeCun & Tian, 2022), arXiv:2110.09348: eq. 2 and the flow of linear nets.

N pairs (x, x') of d features go through z = W x; rows are samples. The theory's loss is squared Euclidean: no
temperature, no unit rows, negatives from the anchor's own view, summed over the anchors.
"""

from __future__ import annotations

import torch
from torch import Tensor


def euclidean_loss(z: Tensor, positive: Tensor) -> Tensor:
    """Eq. 2 of anchors z (..., N, d) and their positives (..., N, d), summed over the anchors: (...,).

    Blind to: a common offset. One point costs N ln N.

    >>> euclidean_loss(torch.ones(8, 4), torch.ones(8, 4))
    tensor(16.6355)
    """
    return -_logits(z, positive).log_softmax(-1).diagonal(dim1=-2, dim2=-1).sum(-1)


def pair_weights(z: Tensor, positive: Tensor) -> Tensor:
    """The weights alpha (..., N, N) of eq. 2: rows sum to 1; on the diagonal that of the positive."""
    return _logits(z, positive).softmax(-1)


def embedding_gradients(z: Tensor, positive: Tensor) -> tuple[Tensor, Tensor]:
    """Eq. 4: the gradients of eq. 2 for the anchors and for the positives, each (..., N, d)."""
    alpha = pair_weights(z, positive)
    pull = 1 - alpha.diagonal(dim1=-2, dim2=-1)[..., None]  # (..., N, 1)
    others = _without_diagonal(alpha)
    anchors = others @ z - pull * positive + others.mT @ z - others.sum(-2)[..., None] * z
    return anchors, pull * (positive - z)


def contrast_matrix(x: Tensor, positive: Tensor, alpha: Tensor) -> Tensor:
    """X = S0 - S1 (..., d, d) of lemma 2, from inputs (..., N, d): the gradient of eq. 2 for W is -W X.

    S0 = sum_ij alpha_ij (x_i - x_j)(x_i - x_j)^T spreads the data, S1 = sum_i (1 - alpha_ii) (x'_i - x_i)(x'_i - x_i)^T
    shrinks what the augmentation moves: directions in which S1 is larger than S0 die out. The main text of the paper
    prints the first sum of eq. 6 with a minus; its appendix B.2 and this function have the plus.

    >>> contrast_matrix(torch.eye(2), torch.eye(2), torch.full((2, 2), 0.5))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    others = _without_diagonal(alpha)
    both = others + others.mT
    spread = x.mT @ (both.sum(-1)[..., None] * x - both @ x)
    moved = positive - x
    pull = 1 - alpha.diagonal(dim1=-2, dim2=-1)[..., None]
    return spread - moved.mT @ (pull * moved)


def flow(weight: Tensor, x: Tensor, time: float) -> Tensor:
    """Theorem 1: W(t) = W(0) exp(X t) of one layer under a fixed X (d, d).

    The paper's caveat, too: X is taken as fixed, while in training alpha changes with W.
    """
    grown: Tensor = weight @ torch.linalg.matrix_exp(x * time)
    return grown


def alignment(first: Tensor, second: Tensor) -> Tensor:
    """A = V2^T U1 (..., d, d) of two layers z = W2 W1 x: the identity, up to signs, where they are aligned."""
    a: Tensor = torch.linalg.svd(second).Vh @ torch.linalg.svd(first).U
    return a


def singular_value_rates(first: Tensor, second: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Lemma 7: the time derivatives (d,) of the singular values of W1 and W2 under the flow, for any alignment.

    gradient: G (d, d), the gradient of the loss for W2 W1.
    """
    u1, s1, v1 = torch.linalg.svd(first)
    u2, s2, v2 = torch.linalg.svd(second)
    core = u2.mT @ gradient @ v1.mT  # (k', k): u2^k' G v1^k
    a = v2 @ u1
    return -(a * s2[..., None] * core).sum(-2), -(a * s1[..., None, :] * core).sum(-1)


def aligned_singular_values(s1: Tensor, s2: Tensor, drive: Tensor) -> tuple[Tensor, Tensor]:
    """Theorem 3 integrated: singular values of two aligned layers that started as s1 and s2 (K,).

    drive is the integral of v1^T X v1 over time, for each. C = s1^2 - s2^2 is conserved, and s1^2 = s follows
    ds/dt = 2 s (s - C) v1^T X v1 (the paper prints s + C, which is C of the other sign). The small ones stay
    small while the large grow without bound: infinite from a drive of ln(s1 / s2) / C on.

    >>> one = torch.ones(1)
    >>> aligned_singular_values(one, one, 0.375 * one)  # equal layers: s1 / sqrt(1 - 2 s1^2 drive)
    (tensor([2.]), tensor([2.]))
    """
    c = s1.square() - s2.square()
    small = c.abs() < 1e-6 * s1.square()
    ratio = torch.where(small, 2 * drive, -torch.expm1(2 * c * drive) / torch.where(small, 1.0, -c))  # (e^2Ct - 1) / C
    shrink = (1 - s2.square() * ratio).clamp_min(0.0)
    return s1 / shrink.sqrt(), s2 * torch.where(small, 1.0, (c * drive).exp()) / shrink.sqrt()


def _logits(z: Tensor, positive: Tensor) -> Tensor:
    """(..., N, N): minus half the squared distances to the other anchors; on the diagonal, to the positive."""
    half = z.square().sum(-1) / 2
    between = z @ z.mT - half[..., :, None] - half[..., None, :]
    matching = torch.eye(z.shape[-2], dtype=torch.bool, device=z.device)
    return torch.where(matching, -(z - positive).square().sum(-1)[..., None] / 2, between)


def _without_diagonal(alpha: Tensor) -> Tensor:
    return alpha - torch.diag_embed(alpha.diagonal(dim1=-2, dim2=-1))
