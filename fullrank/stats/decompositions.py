"""Decompositions in which NaN and infinity are no error, but NaN in the answer and in its gradient.

LAPACK raises on NaN, or answers it with numbers, as it likes; a training loop that skips a bad step expects NaN. No
device is asked for a number, and the answer of finite matrices is the same bit for bit.
"""

from __future__ import annotations

import torch
from torch import Tensor


def decomposable(a: Tensor) -> tuple[Tensor, Tensor]:
    """Matrices (..., N, D) with zeros in place of those that are not finite, and factors (..., 1, 1): 1, or NaN there.

    >>> safe, factor = decomposable(torch.tensor([[[2.0]], [[torch.inf]]]))
    >>> safe.flatten(), factor.flatten()
    (tensor([2., 0.]), tensor([1., nan]))
    """
    factor = 1 + (0 * a.detach()).sum((-2, -1), keepdim=True)
    return torch.where(factor.isnan(), 0.0, a * factor), factor  # the product makes its gradient NaN, too


def eigvalsh(a: Tensor) -> Tensor:
    """Eigenvalues (..., K) of symmetric matrices (..., K, K), rising.

    >>> eigvalsh(torch.tensor([[torch.nan, 0.0], [0.0, 1.0]]))
    tensor([nan, nan])
    """
    safe, factor = decomposable(a)
    values: Tensor = torch.linalg.eigvalsh(safe) * factor[..., 0]
    return values


def eigh(a: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (..., K), rising, and eigenvectors (..., K, K), the columns, of symmetric matrices (..., K, K).

    >>> eigh(torch.tensor([[2.0]]))
    (tensor([2.]), tensor([[1.]]))
    """
    safe, factor = decomposable(a)
    values, vectors = torch.linalg.eigh(safe)
    return values * factor[..., 0], vectors * factor
