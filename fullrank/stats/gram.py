"""Inner products on the smaller side: N x N for few rows, D x D for few features."""

from __future__ import annotations

from torch import Tensor


def smaller_gram(a: Tensor, b: Tensor | None = None) -> Tensor:
    """A B^T (N, N) for rows a, b (N, D) with N < D, else B^T A (D, D): both have the same nonzero eigenvalues.

    b is a where it is left out.

    >>> import torch
    >>> smaller_gram(torch.tensor([[1.0, 2.0]])), smaller_gram(torch.tensor([[1.0], [2.0]]))
    (tensor([[5.]]), tensor([[5.]]))
    """
    other = a if b is None else b
    return a @ other.T if a.shape[0] < a.shape[1] else other.T @ a
