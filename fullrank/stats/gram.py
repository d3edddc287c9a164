"""Inner products on the smaller side: N x N for few rows, D x D for few features."""

from __future__ import annotations

import torch
from scipy.linalg.blas import dsyrk
from torch import Tensor

_BLOCK = 256  # rows and columns of a matrix that are mirrored at a time: a block stays in the cache of a processor


def smaller_gram(a: Tensor, b: Tensor | None = None) -> Tensor:
    """A B^T (N, N) for rows a, b (N, D) with N < D, else B^T A (D, D): both have the same nonzero eigenvalues.

    Args:
        a: Rows (N, D).
        b: Rows (N, D); None means a.

    >>> import torch
    >>> smaller_gram(torch.tensor([[1.0, 2.0]])), smaller_gram(torch.tensor([[1.0], [2.0]]))
    (tensor([[5.]]), tensor([[5.]]))
    """
    other = a if b is None else b
    return a @ other.T if a.shape[0] < a.shape[1] else other.T @ a


def products(x: Tensor, room: Tensor | None = None) -> Tensor:
    """X X^T (N, N) of rows x (N, D), without a gradient; float64 on a CPU takes half of the operations.

    Args:
        x: Rows (N, D).
        room: A matrix (N, N), float64 on a CPU, to write the products to.

    >>> products(torch.tensor([[1.0, 2.0], [0.0, 1.0]]).double())
    tensor([[5., 2.],
            [2., 1.]], dtype=torch.float64)
    """
    x = x.detach()
    if x.device.type != "cpu" or x.dtype != torch.float64 or x.numel() == 0:
        return x @ x.T
    columns = x.T.is_contiguous()  # as BLAS has them, in the order of Fortran
    a = x.numpy() if columns else x.numpy().T
    found = torch.empty(len(x), len(x), dtype=torch.float64) if room is None else room
    dsyrk(1.0, a, trans=not columns, c=found.numpy().T, overwrite_c=1)
    mirror(found)
    return found


def mirror(lower: Tensor) -> None:
    """Copy the lower triangle of a matrix (D, D) to the upper one, in place."""
    for start in range(0, len(lower), _BLOCK):
        block = slice(start, start + _BLOCK)
        for other in range(start + _BLOCK, len(lower), _BLOCK):
            lower[block, other : other + _BLOCK] = lower[other : other + _BLOCK, block].T
        square = lower[block, block]
        square.copy_(square.tril() + square.tril(-1).T)
