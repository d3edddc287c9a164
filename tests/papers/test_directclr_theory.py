"""Checks E1 to E7 of the DirectCLR specification: its theory against autograd, in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fullrank.papers.directclr.theory import (
    aligned_singular_values,
    alignment,
    contrast_matrix,
    embedding_gradients,
    euclidean_loss,
    flow,
    pair_weights,
    singular_value_rates,
)
from fullrank.testing.clouds import noise

D = 5


def inputs(n: int = 12, moved: float = 0.7) -> tuple[Tensor, Tensor]:
    x = noise(n, D)
    return x, x + moved * noise(n, D, seed=1)


def two_layers() -> tuple[Tensor, Tensor]:
    return 0.6 * noise(D, D, seed=2), 0.6 * noise(D, D, seed=3)


def x_of(x: Tensor, positive: Tensor, weight: Tensor) -> Tensor:
    """X of lemma 2 at the embeddings z = W x."""
    return contrast_matrix(x, positive, pair_weights(x @ weight.T, positive @ weight.T))


def orthogonal(seed: int) -> Tensor:
    basis: Tensor = torch.linalg.qr(noise(D, D, seed=seed)).Q
    return basis


def literal(z: Tensor, positive: Tensor) -> Tensor:
    """Eq. 2 as printed, anchor by anchor."""
    total = z.new_zeros(())
    for i in range(len(z)):
        near = (-(z[i] - positive[i]).square().sum() / 2).exp()
        far = sum((-(z[i] - z[j]).square().sum() / 2).exp() for j in range(len(z)) if j != i)
        total = total - (near / (far + near)).log()
    return total


def test_directclr_check_e1_the_gradients_of_the_embeddings() -> None:
    z, positive = (view.requires_grad_() for view in inputs())
    loss = euclidean_loss(z, positive)
    torch.testing.assert_close(loss, literal(z, positive), rtol=1e-13, atol=0)
    expected = torch.autograd.grad(loss, (z, positive))
    for ours, theirs in zip(embedding_gradients(z, positive), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)
    torch.testing.assert_close(pair_weights(z, positive).sum(1), torch.ones(12).double(), rtol=0, atol=1e-14)


def test_directclr_check_e1_a_batch_of_problems_is_one_after_the_other() -> None:
    z, positive = noise(3, 8, D), noise(3, 8, D, seed=1)
    one_by_one = torch.stack([euclidean_loss(a, b) for a, b in zip(z, positive, strict=True)])
    torch.testing.assert_close(euclidean_loss(z, positive), one_by_one)


@pytest.mark.parametrize("moved", [0.05, 0.7, 3.0])
def test_directclr_check_e2_the_gradient_of_one_layer_is_minus_w_x(moved: float) -> None:
    (x, positive), weight = inputs(moved=moved), noise(D, D, seed=2).requires_grad_()
    (gradient,) = torch.autograd.grad(euclidean_loss(x @ weight.T, positive @ weight.T), weight)
    matrix = x_of(x, positive, weight.detach())
    torch.testing.assert_close(gradient, -weight.detach() @ matrix, rtol=0, atol=1e-11)
    torch.testing.assert_close(matrix, matrix.T, rtol=0, atol=1e-12)
    alpha = pair_weights(x @ weight.detach().T, positive @ weight.detach().T)
    spread = sum(alpha[i, j] * torch.outer(x[i] - x[j], x[i] - x[j]) for i in range(12) for j in range(12) if i != j)
    step = positive - x
    pulled = sum((1 - alpha[i, i]) * torch.outer(step[i], step[i]) for i in range(12))
    torch.testing.assert_close(matrix, spread - pulled, rtol=0, atol=1e-12)  # plus: not eq. 6 as printed in the text


@pytest.mark.slow
def test_directclr_check_e2_the_threshold_at_rest_is_twice_the_variance() -> None:
    """At W = 0 all weights are 1 / N: a direction dies where Var(x' - x) > 2 Var(x)."""
    n = 4000
    x, moved = noise(n, 2), noise(n, 2, seed=1) * torch.tensor([math.sqrt(1.8), math.sqrt(2.2)])
    matrix = contrast_matrix(x, x + moved, torch.full((n, n), 1 / n, dtype=torch.float64)) / n
    torch.testing.assert_close(matrix.diagonal(), torch.tensor([0.2, -0.2]).double(), rtol=0, atol=0.12)  # 3 sigma


def test_directclr_check_e3_the_gradients_of_two_layers() -> None:
    (x, positive), layers = inputs(), [layer.requires_grad_() for layer in two_layers()]
    product = layers[1] @ layers[0]
    gradients = torch.autograd.grad(euclidean_loss(x @ product.T, positive @ product.T), layers)
    first, second = (layer.detach() for layer in layers)
    g = -second @ first @ x_of(x, positive, second @ first)
    torch.testing.assert_close(gradients[0], second.T @ g, rtol=0, atol=1e-12)
    torch.testing.assert_close(gradients[1], g @ first.T, rtol=0, atol=1e-12)


def test_directclr_check_e4_what_two_layers_conserve() -> None:
    """d/dt (W1 W1^T - W2^T W2) = 0 at any point, also where the layers are not aligned."""
    first, second = two_layers()
    g = -second @ first @ x_of(*inputs(), second @ first)
    one, two = second.T @ g, g @ first.T
    torch.testing.assert_close(one @ first.T + first @ one.T, second.T @ two + two.T @ second, rtol=0, atol=1e-12)


def test_directclr_check_e5_the_rates_of_the_singular_values() -> None:
    """Lemmas 4 and 7 against central differences of the singular values along the flow."""
    first, second = two_layers()
    g = -second @ first @ x_of(*inputs(), second @ first)
    rates = singular_value_rates(first, second, g)
    for layer, step, lemma_7 in ((first, -second.T @ g, rates[0]), (second, -g @ first.T, rates[1])):
        u, _, vh = torch.linalg.svd(layer)
        lemma_4 = (u * (step @ vh.T)).sum(0)  # u^k W' v^k
        here, there = (torch.linalg.svdvals(layer + sign * 1e-6 * step) for sign in (-1, 1))
        torch.testing.assert_close((there - here) / 2e-6, lemma_4, rtol=0, atol=1e-7)
        torch.testing.assert_close(lemma_7, lemma_4, rtol=0, atol=1e-12)


def aligned_layers() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """W1, W2 with V2 = U1, and X = V1 diag(x) V1^T; the x."""
    u1, v1, u2 = (orthogonal(seed) for seed in (4, 5, 6))
    s1, s2 = torch.linspace(1.0, 0.2, D).double(), torch.linspace(0.9, 0.3, D).double()
    x = torch.linspace(0.5, -0.3, D).double()
    return u1 @ torch.diag(s1) @ v1.T, u2 @ torch.diag(s2) @ u1.T, v1 @ torch.diag(x) @ v1.T, x


def test_directclr_check_e6_theorem_3_is_lemma_7_of_aligned_layers() -> None:
    first, second, matrix, x = aligned_layers()
    s1, s2 = torch.linalg.svdvals(first), torch.linalg.svdvals(second)
    torch.testing.assert_close(alignment(first, second).abs(), torch.eye(D).double(), rtol=0, atol=1e-12)
    one, two = singular_value_rates(first, second, -second @ first @ matrix)
    torch.testing.assert_close(one, s1 * s2.square() * x, rtol=0, atol=1e-12)
    torch.testing.assert_close(two, s2 * s1.square() * x, rtol=0, atol=1e-12)
    conserved = s1.square() - s2.square()
    torch.testing.assert_close(one, s1 * (s1.square() - conserved) * x, rtol=0, atol=1e-12)  # minus: printed as plus


def test_directclr_check_e6_theorem_3_integrated_is_the_flow() -> None:
    first, second, matrix, x = aligned_layers()
    start = torch.linalg.svdvals(first), torch.linalg.svdvals(second)
    u1, v1, u2 = (orthogonal(seed) for seed in (4, 5, 6))
    steps, dt = 4000, 1.0 / 4000
    for _ in range(steps):  # the midpoint rule: errors of dt^2
        half = [
            layer + dt / 2 * change
            for layer, change in zip((first, second), _velocity(first, second, matrix), strict=True)
        ]
        change = _velocity(half[0], half[1], matrix)
        first, second = first + dt * change[0], second + dt * change[1]
    ours = aligned_singular_values(*start, x)
    torch.testing.assert_close(ours[0], (u1.T @ first @ v1).diagonal(), rtol=0, atol=1e-5)  # the midpoint rule's own
    torch.testing.assert_close(ours[1], (u2.T @ second @ u1).diagonal(), rtol=0, atol=1e-5)
    one = torch.ones(1, dtype=torch.float64)
    assert float(aligned_singular_values(one, one, 0.5 * one)[0]) == math.inf


def _velocity(first: Tensor, second: Tensor, matrix: Tensor) -> tuple[Tensor, Tensor]:
    g = -second @ first @ matrix
    return -second.T @ g, -g @ first.T


def test_directclr_check_e7_the_matrix_exponential_solves_the_flow() -> None:
    weight, symmetric = noise(D, D), noise(D, D, seed=1)
    matrix = (symmetric + symmetric.T) / 4
    rate = (flow(weight, matrix, 0.5 + 1e-6) - flow(weight, matrix, 0.5 - 1e-6)) / 2e-6
    torch.testing.assert_close(rate, flow(weight, matrix, 0.5) @ matrix, rtol=0, atol=1e-8)
    torch.testing.assert_close(flow(weight, matrix, 0.0), weight)
    values = torch.linalg.svdvals(flow(weight, -torch.diag(torch.tensor([0.0, 0, 0, 5, 5])).double(), 5.0))
    assert int((values > 1e-6 * values[0]).sum()) == 3  # negative eigenvalues of X: vanishing singular values
