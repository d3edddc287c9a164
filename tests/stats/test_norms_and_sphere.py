from __future__ import annotations

import math

import pytest
import torch
from scipy.special import hyp0f1  # type: ignore[import-untyped,unused-ignore]

from fullrank.stats import log_gaussian_potential, normalize, nuclear_norm, sphere, squared_gram_norm


def cloud(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "d"), [(12, 5), (5, 12), (6, 6), (1, 4)])
def test_nuclear_norm_is_the_sum_of_singular_values_with_the_polar_gradient(n: int, d: int) -> None:
    x = cloud(n, d).requires_grad_()
    value = nuclear_norm(x)
    value.backward()
    u, s, v = torch.linalg.svd(x.detach(), full_matrices=False)
    torch.testing.assert_close(value.detach(), s.sum())
    torch.testing.assert_close(x.grad, u @ v, rtol=1e-8, atol=1e-8)


def test_nuclear_norm_gradcheck() -> None:
    assert torch.autograd.gradcheck(nuclear_norm, cloud(7, 4).requires_grad_())


def test_nuclear_norm_gradient_is_right_in_float32_where_dimensions_begin_to_die() -> None:
    """Eight live directions and noise of 1e-3: float32 covariance forms are 80 to 110 % off (performance.md)."""
    z = cloud(256, 8) @ cloud(8, 64, seed=1) + 1e-3 * cloud(256, 64, seed=2)
    u, _, v = torch.linalg.svd(z, full_matrices=False)
    x = z.float().requires_grad_()
    nuclear_norm(x).backward()
    assert x.grad is not None
    error = torch.linalg.matrix_norm(x.grad.double() - u @ v) / torch.linalg.matrix_norm(u @ v)
    assert float(error) < 1e-3


@pytest.mark.parametrize("x", [torch.zeros(4, 3), torch.ones(4, 3), torch.eye(4)[:, :3] * 0.0 + torch.eye(4, 3)])
def test_nuclear_norm_gradient_is_at_most_one_in_every_direction(x: torch.Tensor) -> None:
    leaf = x.clone().requires_grad_()
    nuclear_norm(leaf).backward()
    assert leaf.grad is not None
    assert float(torch.linalg.svdvals(leaf.grad).max()) <= 1 + 1e-5


@pytest.mark.parametrize(("n", "d"), [(12, 5), (5, 12)])
def test_squared_gram_norm_is_the_same_on_both_sides(n: int, d: int) -> None:
    x = cloud(n, d).requires_grad_()
    torch.testing.assert_close(squared_gram_norm(x), (x.T @ x).square().sum())
    assert torch.autograd.gradcheck(squared_gram_norm, x)


@pytest.mark.parametrize("norm", [1e-38, 1e-20, 1.0, 1e20, 1e38])
def test_normalize_over_the_whole_range_of_float32(norm: float) -> None:
    z = torch.tensor([[0.6, 0.8]]) * norm
    torch.testing.assert_close(normalize(z), torch.tensor([[0.6, 0.8]]))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_normalize_of_many_numbers_has_the_derivatives_of_few(dim: int, monkeypatch: pytest.MonkeyPatch) -> None:
    z = torch.cat([cloud(4, 3), torch.zeros(1, 3, dtype=torch.float64)]).requires_grad_()
    few = normalize(z, dim)
    (expected,) = torch.autograd.grad(few.pow(3).sum(), z)
    monkeypatch.setattr(sphere, "_FEW", 0)
    torch.testing.assert_close(normalize(z, dim), few)
    (found,) = torch.autograd.grad(normalize(z, dim).pow(3).sum(), z)
    torch.testing.assert_close(found, expected)
    live = cloud(4, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: normalize(rows, dim), live)
    assert torch.autograd.gradgradcheck(lambda rows: normalize(rows, dim), live)


def test_normalize_has_the_projected_gradient_and_none_explodes_at_zero() -> None:
    assert torch.autograd.gradcheck(normalize, cloud(4, 3).requires_grad_())
    z = torch.zeros(2, 3, requires_grad=True)
    normalize(z).sum().backward()
    assert z.grad is not None
    assert float(z.grad.abs().max()) <= 1.0


@pytest.mark.parametrize("n", [2, 3, 100, 1024, 1025, 2100])
def test_potential_in_chunks_equals_all_pairs(n: int) -> None:
    z = normalize(cloud(n, 3))
    expected = torch.pdist(z).square().mul(-2.0).exp().mean().log()
    torch.testing.assert_close(log_gaussian_potential(z), expected, rtol=1e-9, atol=1e-9)


def test_potential_gradcheck_and_edges() -> None:
    assert torch.autograd.gradcheck(log_gaussian_potential, normalize(cloud(6, 3)).requires_grad_())
    for n in (0, 1, 5):
        z = torch.ones(n, 3, requires_grad=True)
        value = log_gaussian_potential(z)
        value.backward()
        assert float(value.detach()) == 0.0
        assert z.grad is not None
        assert bool(z.grad.isfinite().all())
    assert math.isfinite(float(log_gaussian_potential(cloud(5, 3).float() * 1e15)))


def test_potential_keeps_its_gradient_near_collapse_in_float32() -> None:
    noise = cloud(64, 16)
    exact = normalize(torch.ones(16) + 1e-4 * noise).requires_grad_()
    single = exact.detach().float().requires_grad_()
    log_gaussian_potential(exact).backward()
    log_gaussian_potential(single).backward()
    assert exact.grad is not None
    assert single.grad is not None
    error = (single.grad.double() - exact.grad).norm() / exact.grad.norm()
    assert float(error) < 0.01  # the rounding of the input alone, 6e-8 of 1e-4, gives 1e-3


@pytest.mark.parametrize("k", [2, 8, 32])
@pytest.mark.slow
def test_potential_of_the_uniform_sphere_is_the_closed_form(k: int) -> None:
    z = normalize(cloud(5000, k, seed=3))
    expected = -4.0 + math.log(hyp0f1(k / 2, 4.0))
    # 5,000 points: the pairs are 12.5 million, the standard error below 7e-4
    assert float(log_gaussian_potential(z)) == pytest.approx(expected, abs=2e-3)
