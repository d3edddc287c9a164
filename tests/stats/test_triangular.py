"""Whitening by Cholesky in blocks of features: what the whole D x D factor gives, and its derivatives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank.stats import triangular_white
from fullrank.testing.clouds import noise


def by_the_whole_factor(x: Tensor, ridge: float) -> Tensor:
    factor = torch.linalg.cholesky(x.T @ x + ridge * x.square().sum() * torch.eye(x.shape[1], dtype=x.dtype))
    white: Tensor = torch.linalg.solve_triangular(factor, x.T, upper=False).T
    return white


@pytest.mark.parametrize(("n", "d"), [(12, 4), (5, 5), (2, 150), (40, 150), (130, 150)])
def test_value_and_gradient_are_those_of_the_whole_factor(n: int, d: int) -> None:
    found, expected = noise(n, d).requires_grad_(), noise(n, d).requires_grad_()
    upstream = noise(n, d, seed=1)
    white, failed = triangular_white(found, 1e-3)
    assert not failed
    reference = by_the_whole_factor(expected, 1e-3)
    torch.testing.assert_close(white, reference, rtol=0, atol=1e-10)
    white.backward(upstream)
    reference.backward(upstream)
    assert found.grad is not None
    assert expected.grad is not None
    torch.testing.assert_close(found.grad, expected.grad, rtol=0, atol=1e-8 * float(expected.grad.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d"), [(6, 3), (2, 66)])
def test_second_derivatives_are_those_of_differences(n: int, d: int) -> None:
    def white(x: Tensor) -> Tensor:
        return triangular_white(x, 0.5)[0][:, -3:].square().sum()

    x = noise(n, d).requires_grad_()
    assert torch.autograd.gradcheck(white, x)
    assert torch.autograd.gradgradcheck(white, x)


def test_a_covariance_below_full_rank_fails_without_a_ridge() -> None:
    assert triangular_white(torch.ones(6, 2), 0.0)[1]
    assert triangular_white(torch.full((2, 150), torch.nan), 1.0)[1]
