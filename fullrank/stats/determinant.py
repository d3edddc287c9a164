"""The logarithm of a determinant, with a gradient that does not go through the factor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fullrank.errors import UserError


class _LogDeterminant(torch.autograd.Function):
    """By Cholesky, the gradient by its inverse: faster than slogdet, and it refuses what is not positive definite."""

    @staticmethod
    def forward(ctx: Any, a: Tensor) -> Tensor:
        factor, failed = torch.linalg.cholesky_ex(a)
        if bool(failed.any()):
            raise UserError(
                "The covariance of the embeddings is not positive definite: they are not finite, or their norm is too "
                "large for eps: lower the learning rate, normalize the embeddings or raise eps."
            )
        ctx.save_for_backward(factor)
        value: Tensor = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        return value

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (factor,) = ctx.saved_tensors
        return grad_outputs[0][..., None, None] * torch.cholesky_inverse(factor)


def log_determinant(a: Tensor) -> Tensor:
    """log det of symmetric positive definite matrices a (..., K, K), differentiable once; (...).

    UserError if one of them is not positive definite, or not finite.

    >>> log_determinant(2.0 * torch.eye(2))  # log 4
    tensor(1.3863)
    """
    value: Tensor = _LogDeterminant.apply(a)
    return value
