"""Sums over all pairs in blocks: the whole matrix's value and derivatives, and nothing of its size is kept."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.losses import dcl, infonce, koleo, nt_xent, ssl_hsic, uniformity
from fullrank.losses.terms import Terms
from fullrank.stats import (
    epps_pulley,
    log_gaussian_potential,
    log_sums_of_both,
    log_sums_over_others,
    slices,
    sphere,
)
from fullrank.stats.pairs import log_sums
from fullrank.stats.pairs.log_sums import _of_both, _over_others


def _noise(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


@pytest.fixture(params=[3, 5, 512])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rows are few, and a block has so many."""
    monkeypatch.setattr(log_sums, "_FEW", 0)
    monkeypatch.setattr(log_sums, "_BLOCK", request.param)
    monkeypatch.setattr(sphere, "_CHUNK", min(request.param, 4))
    monkeypatch.setattr(slices, "_AT_A_TIME", 10)


@pytest.mark.usefixtures("blocks")
def test_blocks_give_the_sums_of_the_whole_matrix() -> None:
    z, a, b = _noise(3, 4, 2), _noise(7, 2), _noise(7, 2, seed=1)
    expected = torch.empty(3, 4, dtype=torch.float64)
    for v in range(3):
        for i in range(4):
            others = [float((z[v, i] @ z[w, j]).detach()) for w in range(3) for j in range(4) if j != i]
            expected[v, i] = math.log(sum(math.exp(1.5 * product) for product in others))
    assert torch.allclose(log_sums_over_others(z, 1.5), expected)
    products = torch.tensor([[float((x @ y).detach()) for y in b] for x in a], dtype=torch.float64)
    rows, columns = log_sums_of_both(a, b, 1.5)
    assert torch.allclose(rows, (1.5 * products).exp().sum(1).log())
    assert torch.allclose(columns, (1.5 * products).exp().sum(0).log())


@pytest.mark.usefixtures("blocks")
@pytest.mark.slow
def test_blocks_have_the_first_and_second_derivative_of_differences() -> None:
    for function, inputs in (
        (lambda z: log_sums_over_others(z, 1.5), (_noise(3, 4, 2),)),
        (lambda a, b: log_sums_of_both(a, b, 1.5), (_noise(7, 2), _noise(7, 2, seed=1))),
        (log_gaussian_potential, (_noise(7, 2),)),
        (epps_pulley, (_noise(5, 3),)),
    ):
        assert torch.autograd.gradcheck(function, inputs)
        assert torch.autograd.gradgradcheck(function, inputs)


@pytest.mark.usefixtures("blocks")
def test_a_scale_that_is_learned_has_the_gradient_of_differences() -> None:
    scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    for function, inputs in (
        (log_sums_over_others, (_noise(2, 3, 2),)),
        (log_sums_of_both, (_noise(5, 2), _noise(5, 2, seed=1))),
        (log_gaussian_potential, (_noise(6, 2),)),
    ):
        assert torch.autograd.gradcheck(function, (*inputs, scale)), function
        assert torch.autograd.gradgradcheck(function, (*inputs, scale)), function


@pytest.mark.usefixtures("blocks")
def test_blocks_work_under_torch_func() -> None:
    z = _noise(3, 4, 2)
    found = torch.func.grad(lambda rows: log_sums_over_others(rows, 1.5).square().sum())(z.detach())
    (expected,) = torch.autograd.grad(log_sums_over_others(z, 1.5).square().sum(), z)
    assert torch.allclose(found, expected)


def test_slices_in_blocks_have_the_distances_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _noise(2, 5, 7)
    whole = epps_pulley(x)
    (expected,) = torch.autograd.grad(whole.square().sum(), x)
    monkeypatch.setattr(slices, "_AT_A_TIME", 20)
    blocks = epps_pulley(x)
    assert torch.allclose(blocks, whole)
    assert torch.allclose(torch.autograd.grad(blocks.square().sum(), x)[0], expected)


def test_many_rows_have_the_values_of_few() -> None:
    z = torch.nn.functional.normalize(_noise(2, 1100, 3), dim=2)
    assert torch.allclose(log_sums_over_others(z, 2.0).flatten(), _over_others(z.flatten(0, 1), 1100, 2.0), atol=1e-12)
    for found, expected in zip(log_sums_of_both(z[0], z[1], 2.0), _of_both(z[0], z[1], 2.0), strict=True):
        assert torch.allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("loss", [nt_xent, infonce, dcl, uniformity, koleo, ssl_hsic])
def test_memory_grows_with_the_rows_and_not_with_their_square(loss: Callable[[Tensor], Terms]) -> None:
    largest: list[int] = []

    def kept(tensor: Tensor) -> Tensor:
        largest.append(tensor.numel())
        return tensor

    z = torch.randn(2, 1500, 4, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(kept, lambda tensor: tensor):
        loss(z)["loss"].backward()
    assert max(largest) <= 4 * z.numel()  # the squares would be 187 times z
