"""Spectral transformations: embeddings -> U g(L) U^T embeddings, by eigenvalues or by Newton's iteration; PCA too.

They are those of Weng et al., "Modulate Your Spectrum in Self-Supervised Learning" (ICLR 2024). All of them act on the
smaller of the N x N and the D x D matrix: X g(X^T X) = g(X X^T) X, so no larger one is ever formed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from fullrank.errors import UserError, suggest
from fullrank.stats.decompositions import decomposable, eigh
from fullrank.stats.gram import smaller_gram

Axis = Literal["batch", "channel"]
Spectral = Callable[[Tensor], Tensor]

_FLOOR = 1e-10  # eigenvalues are floored at this share of the largest, so that g may be a negative power
_CLOSE = 1e-6  # eigenvalues closer than this share of the largest are one: float32 cannot tell their axes apart


class _MatrixFunction(torch.autograd.Function):
    """g of a symmetric matrix; the gradient by divided differences (Daleckii & Krein) needs no distinct eigenvalues.

    The image of the eigenvalues is an input too: it may have parameters of g behind it.
    """

    @staticmethod
    def forward(a: Tensor, image: Tensor, eigenvalues: Tensor, vectors: Tensor, g: Spectral) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            leaf = eigenvalues.clone().requires_grad_()
            slope = torch.autograd.grad((g(leaf) + 0.0 * leaf).sum(), leaf)[0]  # 0 * leaf: g may be a constant
        gap = eigenvalues[:, None] - eigenvalues[None, :]
        close = gap.abs() <= 1e-8 * eigenvalues.abs().max()
        quotient = (image[:, None] - image[None, :]) / torch.where(close, 1.0, gap)
        quotient = torch.where(close, (slope[:, None] + slope[None, :]) / 2, quotient)
        return (vectors * image) @ vectors.T, quotient

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        a, _, _, vectors, _ = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(a, vectors, output[1])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        return *_Pullback.apply(grad_outputs[0], *ctx.saved_tensors), None, None, None


class _Pullback(torch.autograd.Function):
    """The gradient of a matrix function, which refuses to be differentiated: otherwise a wrong zero would be added."""

    @staticmethod
    def forward(gradient: Tensor, a: Tensor, vectors: Tensor, quotient: Tensor) -> tuple[Tensor, Tensor]:
        inner = vectors.T @ gradient @ vectors
        return vectors @ (quotient * (inner + inner.T) / 2) @ vectors.T, inner.diagonal().clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: tuple[Tensor, Tensor]) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, ...]:
        raise UserError(
            "A function of the eigenvalues has no second derivative here: leave out create_graph=True, or take a loss "
            "without spectral whitening."
        )


def matrix_function(a: Tensor, g: Spectral) -> Tensor:
    """U g(L) U^T for symmetric matrices U L U^T, differentiable once.

    The gradient is exact for equal eigenvalues too, where differentiating through the eigenvectors gives NaN.

    Args:
        a: Symmetric matrix (K, K).
        g: Function of the eigenvalues, element-wise; a parameter in it gets its gradient.

    >>> matrix_function(4.0 * torch.eye(2), torch.sqrt)
    tensor([[2., 0.],
            [0., 2.]])
    """
    eigenvalues, vectors = eigh(a.detach())
    value: Tensor = _MatrixFunction.apply(a, g(eigenvalues), eigenvalues, vectors, g)[0]
    return value


def power(p: float) -> Spectral:
    """The function g(l) = l^-p: p = 0 keeps the spectrum, 1/2 whitens it (ZCA), and values between flatten it.

    >>> power(0.5)(torch.tensor([4.0]))
    tensor([0.5000])
    """
    return lambda eigenvalues: eigenvalues ** (-p)


def center(z: Tensor, axis: Axis, *, dtype: torch.dtype | None = None) -> tuple[Tensor, int]:
    """Centered z (N, D), in `dtype`, and its covariance's divisor: features over the batch, or samples over channels.

    A constant gives exact zeros: what rounding leaves of it is not a spectrum, though whitening makes it one. Raises a
    UserError for an unknown axis.

    >>> center(torch.full((7, 2), 0.1), "batch")[0].abs().max()
    tensor(0.)
    """
    if axis not in get_args(Axis):
        hint = suggest(str(axis), get_args(Axis), otherwise=f"pass {' or '.join(get_args(Axis))}.")
        raise UserError(f"A covariance got axis={axis!r}: {hint}")
    dim = 0 if axis == "batch" else 1
    wide = z if dtype is None else z.to(dtype)
    x = wide - wide.mean(dim, keepdim=True)
    rounding = 4 * torch.finfo(z.dtype).eps * z.detach().abs().amax()
    constant = x.detach().abs().amax() <= rounding  # false for NaN, which must not be hidden
    return torch.where(constant, 0.0, x), max(z.shape[dim] - 1, 1)


def spectral(z: Tensor, g: Spectral, *, axis: Axis = "batch") -> Tensor:
    """Transform the spectrum of embeddings: eigenvalues l of the covariance become l g(l)^2, and eigenvectors stay.

    It is computed in float64, with eigenvalues floored at 1e-10 of the largest (Weng et al. 2024, section on spectral
    transformation).

    Args:
        z: Embeddings (N, D).
        g: Function of the eigenvalues, element-wise.
        axis: "batch" centers each feature over the batch and acts on the D x D covariance (divisor N - 1); "channel"
            centers each sample over its channels and acts on the N x N one (divisor D - 1).

    >>> z = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    >>> spectral(z, power(0.5)).T.cov().allclose(torch.eye(2))
    True
    """
    x, divisor = center(z, axis, dtype=torch.float64)
    return spectral_of_centered(x, g, divisor).to(z.dtype)


def spectral_of_centered(x: Tensor, g: Spectral, divisor: int) -> Tensor:
    """What `spectral` does to x (N, D) that is centered already, with the divisor of the covariance.

    >>> spectral_of_centered(torch.tensor([[3.0], [-3.0]]), torch.rsqrt, divisor=2)
    tensor([[ 1.],
            [-1.]])
    """

    def floored(eigenvalues: Tensor) -> Tensor:
        floor = max(float(eigenvalues.detach().max()) * _FLOOR, torch.finfo(eigenvalues.dtype).tiny)
        return g(eigenvalues.clamp_min(floor))

    phi = matrix_function(smaller_gram(x) / divisor, floored)
    return phi @ x if x.shape[0] < x.shape[1] else x @ phi


def principal(z: Tensor, g: Spectral) -> Tensor:
    """Principal components of embeddings with their spectrum transformed: rows g(L) U^T x.

    It is `spectral(z, g)` on the batch axis, written in the eigenvectors U of its covariance: distances and cosines of
    rows are the same. The sign of each component makes the eigenvector's entry of largest magnitude positive (ours, as
    in scikit-learn). Components of eigenvalue zero are zero.

    The gradient is exact where eigenvalues are apart. The axes of eigenvalues within 1e-6 of the largest are not
    determined, and their rotation into one another gets no gradient. It is always finite, and exact at any spectrum for
    what no rotation of the components changes. Two clouds that are nearly equal can have their axes swapped or rotated
    where eigenvalues are close: comparing their components compares different things then.

    Args:
        z: Embeddings (N, D).
        g: Function of the eigenvalues, element-wise: torch.rsqrt is PCA whitening, torch.ones_like plain PCA.

    Returns:
        Components (N, min(N, D)), that of the largest eigenvalue first.

    >>> z = torch.tensor([[0.0, -2.0], [0.0, 2.0], [1.0, 0.0], [-1.0, 0.0]])
    >>> principal(z, torch.ones_like)
    tensor([[-2.,  0.],
            [ 2.,  0.],
            [ 0.,  1.],
            [ 0., -1.]])
    """
    x, _ = center(z, "batch", dtype=torch.float64)
    safe, factor = decomposable(x.detach())
    axes: Tensor = torch.linalg.svd(safe, full_matrices=False)[2].T * factor  # (D, K), falling
    axes = axes * axes.gather(0, axes.abs().argmax(0, keepdim=True)).sign()
    scores = x @ axes
    scatter = scores.T @ scores  # diagonal; how it leaves the diagonal turns the axes
    eigenvalues = scatter.detach().diagonal()
    gap = eigenvalues[None, :] - eigenvalues[:, None]
    close = gap.abs() <= _CLOSE * eigenvalues.max()
    turn = (scatter - scatter.detach()) * torch.where(close, 0.0, 1.0 / torch.where(close, 1.0, gap))
    components = spectral(z, g).to(torch.float64) @ axes
    turned: Tensor = components + components @ turn
    return turned.to(z.dtype)


def newton(z: Tensor, iterations: int, *, axis: Axis) -> Tensor:
    """Whiten embeddings approximately by Newton's iteration (IterNorm), on the smaller side.

    With S the covariance over its trace, P_0 = I, P_k = (3 P - P^3 S) / 2, the result is z P_T / sqrt(trace). It
    iterates with M = P S P, so M <- M (3 - M)^2 / 4: the published order P^3 S explodes once converged, and this does
    not. Eigenvalues end in [0, 1]. A constant input gives zeros.

    Args:
        z: Embeddings (N, D).
        iterations: Number of steps T.
        axis: As in `spectral`, which has the same centering and divisor.

    >>> newton(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), 4, axis="batch").T.cov()[0, 0]
    tensor(1.0000)
    """
    x, divisor = center(z, axis)
    largest = x.detach().abs().amax()
    x = x / torch.where(largest == 0, 1.0, largest)  # so that the squares below neither overflow nor vanish
    norm = torch.linalg.vector_norm(x)
    x = x / torch.where(norm == 0, 1.0, norm)
    wide = x.shape[0] < x.shape[1]
    m = smaller_gram(x)  # S: P_0 S P_0 with trace 1
    p = eye = torch.eye(len(m), dtype=m.dtype, device=m.device)
    for _ in range(iterations):
        step = 1.5 * eye - 0.5 * m
        p = p @ step
        m = step @ m @ step
    whitened = p @ x if wide else x @ p
    return whitened * math.sqrt(divisor)
