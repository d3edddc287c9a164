"""Matrix norms on the smaller side, with gradients that stay right when dimensions go missing."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fullrank.stats.decompositions import eigh, eigvalsh
from fullrank.stats.gram import smaller_gram
from fullrank.stats.transform import matrix_function

_CUT = 8.0 * torch.finfo(torch.float32).eps  # singular values below this share of the largest carry no gradient


class _NuclearNorm(torch.autograd.Function):
    """Sum of singular values; the gradient is the polar factor, built in float64 from the smaller Gram matrix."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        rows = x.double()
        wide = rows.shape[0] < rows.shape[1]
        eigenvalues, vectors = eigh(smaller_gram(rows))
        sigma = eigenvalues.clamp_min(0.0).sqrt()
        kept = ~(sigma <= _CUT * sigma.max())  # NaN is kept
        vectors = vectors[:, kept]
        inverse_root = (vectors / sigma[kept]) @ vectors.T
        polar = inverse_root @ rows if wide else rows @ inverse_root
        return sigma[kept].sum().to(x.dtype), polar.to(x.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        x, polar = ctx.saved_tensors
        gradient: Tensor = grad_outputs[0] * (_polar(x) if torch.is_grad_enabled() else polar)
        return gradient


def _polar(x: Tensor) -> Tensor:
    """The polar factor of x (N, D) as a function of x that can be differentiated."""
    rows = x.double()
    gram = smaller_gram(rows)
    cut = (_CUT**2 * eigvalsh(gram.detach()).max()).clamp_min(torch.finfo(torch.float64).tiny)
    root = matrix_function(gram, lambda values: torch.where(values > cut, values.clamp_min(cut).rsqrt(), 0.0))
    return (root @ rows if rows.shape[0] < rows.shape[1] else rows @ root).to(x.dtype)


def nuclear_norm(x: Tensor) -> Tensor:
    """Sum of the singular values of x (N, D), a scalar, differentiable twice.

    The smaller of X X^T and X^T X is decomposed in float64: forming it in float32 gives the right value and a wrong
    gradient just where dimensions begin to die. Directions below 8 float32 roundings of the largest singular value
    carry no gradient; of a zero matrix both value and gradient are zero.

    Args:
        x: Matrix (N, D).

    >>> nuclear_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]]))
    tensor(7.)
    """
    value: Tensor = _NuclearNorm.apply(x)[0]
    return value


def squared_gram_norm(x: Tensor) -> Tensor:
    """Squared Frobenius norm of X^T X, a scalar, computed as that of X X^T when N < D.

    Args:
        x: Matrix (N, D).

    >>> squared_gram_norm(torch.tensor([[1.0, 2.0]]))
    tensor(25.)
    """
    value: Tensor = _SquaredGramNorm.apply(x)[0]
    return value


class _SquaredGramNorm(torch.autograd.Function):
    """The gradient is one product, 4 X X^T X; autograd of a symmetric matrix would compute it twice, once for each
    side.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        gram = smaller_gram(x)
        return gram.square().sum(), gram

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(inputs[0], output[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        x, gram = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this one is asked for
            gram = smaller_gram(x)
        product: Tensor = gram @ x if x.shape[0] < x.shape[1] else x @ gram
        return 4 * gradients[0] * product
