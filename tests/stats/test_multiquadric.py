"""Sums of kernel gaps in blocks: those of the whole matrix, with its derivatives, and nothing of its size is kept."""

from __future__ import annotations

import pytest
import torch

from fullrank.stats import multiquadric_gaps
from fullrank.stats.pairs import multiquadric
from fullrank.testing.clouds import noise


@pytest.mark.parametrize("block", [1, 3, 4, 64])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_blocks_have_the_sums_and_the_gradient_of_the_whole_matrix(
    block: int, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiquadric, "_BLOCK", block)
    monkeypatch.setattr(multiquadric, "_FEW", 0)
    x = noise(7, 3).requires_grad_()
    distances = (x[:, None] - x).square().sum(2)
    gaps = 1 - scale / (scale**2 + distances).sqrt()
    sums, squares = multiquadric_gaps(x, scale)
    torch.testing.assert_close(sums, gaps.sum(1))
    torch.testing.assert_close(squares, gaps.square().sum())
    weights = noise(7, seed=1)
    (found,) = torch.autograd.grad((weights * sums).sum() + squares.sqrt(), x)
    (expected,) = torch.autograd.grad((weights * gaps.sum(1)).sum() + gaps.square().sum().sqrt(), x)
    torch.testing.assert_close(found, expected)


@pytest.mark.slow
def test_blocks_have_the_second_derivative_of_differences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiquadric, "_BLOCK", 3)
    monkeypatch.setattr(multiquadric, "_FEW", 0)
    x = noise(7, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda rows: multiquadric_gaps(rows, 1.5), x)
    assert torch.autograd.gradgradcheck(lambda rows: multiquadric_gaps(rows, 1.5), x)


@pytest.mark.parametrize("few", [0, 512])
def test_a_scale_that_is_learned_has_the_gradient_of_differences(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiquadric, "_FEW", few)
    scale = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(multiquadric_gaps, (noise(5, 2).requires_grad_(), scale))


def test_rows_near_one_point_keep_their_digits() -> None:
    x = 1 + 1e-5 * noise(20, 4)
    exact = 0.5 * (x[:, None] - x).square().sum(2)  # but for 1e-10 of it
    torch.testing.assert_close(multiquadric_gaps(x, 1.0)[0], exact.sum(1), rtol=1e-8, atol=0)
