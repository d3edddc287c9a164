"""The logarithm of a determinant, with a gradient that does not go through the Cholesky factor."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fullrank.errors import UserError


class _LogDeterminant(torch.autograd.Function):
    """Log-determinant by Cholesky, with the inverse as gradient; faster than slogdet; refuses indefinite matrices."""

    @staticmethod
    def forward(a: Tensor) -> tuple[Tensor, Tensor]:
        factor, failed = torch.linalg.cholesky_ex(a)
        if bool(failed.any()):
            if bool((failed.bool() & a.isfinite().all(-1).all(-1)).any()):
                raise UserError(
                    "The covariance of the embeddings is not positive definite, because its rank is too low or their "
                    "norm too large for eps: raise eps, take more samples, normalize the embeddings or lower the "
                    "learning rate."
                )
            factor = torch.where(failed.bool()[..., None, None], torch.nan, factor)
        return 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1), factor

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        a, factor = ctx.saved_tensors
        # The factor knows nothing of a: where this is differentiated again, the inverse must be that of a itself.
        inverse = torch.linalg.inv(a) if torch.is_grad_enabled() else torch.cholesky_inverse(factor)
        return grad_outputs[0][..., None, None] * inverse


def log_determinant(a: Tensor) -> Tensor:
    """Log-determinants (...) of symmetric positive definite matrices; NaN of what is not finite.

    Args:
        a: Matrices (..., K, K).

    Raises:
        UserError: One of them is finite, and not positive definite.

    >>> log_determinant(2.0 * torch.eye(2))  # log 4
    tensor(1.3863)
    """
    value: Tensor = _LogDeterminant.apply(a)[0]
    return value
