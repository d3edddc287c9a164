"""Heads have the layers that papers give them."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import nn

from fullrank.errors import UserError
from fullrank.nn import Prototypes, mlp


def kinds(head: nn.Sequential) -> list[str]:
    return [type(layer).__name__ for layer in head]


def linears(head: nn.Sequential) -> list[tuple[int, int, bool]]:
    found = [layer for layer in head if isinstance(layer, nn.Linear)]
    return [(one.in_features, one.out_features, one.bias is not None) for one in found]


def test_default_head() -> None:
    head = mlp(6, [5, 4, 3])
    assert kinds(head) == ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d", "ReLU", "Linear"]
    assert linears(head) == [(6, 5, False), (5, 4, False), (4, 3, True)]
    assert head(torch.randn(7, 6)).shape == (7, 3)


def test_simclr_and_barlow_twins_end_in_batch_norm() -> None:
    simclr = mlp(6, [5, 3], last_bias=False, last_norm="batch")
    assert linears(simclr) == [(6, 5, False), (5, 3, False)]
    assert kinds(simclr)[-1] == "BatchNorm1d"
    assert len(list(simclr[-1].parameters())) == 2
    barlow = mlp(6, [5, 3], last_bias=False, last_norm="batch-no-affine")
    assert list(barlow[-1].parameters()) == []
    z = barlow(torch.randn(64, 6))
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=1e-6, rtol=0)  # float32 sums over 64 rows
    torch.testing.assert_close(z.var(0, correction=0), torch.ones(3), atol=1e-3, rtol=0)  # its eps is 1e-5


def test_byol_has_hidden_bias_only() -> None:
    assert linears(mlp(6, [5, 3], bias=True, last_bias=False)) == [(6, 5, True), (5, 3, False)]


def test_without_norm_and_with_layer_norm() -> None:
    assert kinds(mlp(6, [5, 3], norm="none")) == ["Linear", "ReLU", "Linear"]
    layered = mlp(6, [5, 3], norm="layer")
    assert kinds(layered) == ["Linear", "LayerNorm", "ReLU", "Linear"]
    assert layered(torch.randn(1, 6)).shape == (1, 3)  # unlike batch norm, one sample trains


def test_depth_zero_and_one() -> None:
    z = torch.randn(2, 6)
    assert torch.equal(mlp(6, [])(z), z)
    assert kinds(mlp(6, [3], last_bias=False)) == ["Linear"]


def test_same_seed_same_head() -> None:
    torch.manual_seed(0)
    one = mlp(6, [5, 3])
    torch.manual_seed(0)
    other = mlp(6, [5, 3])
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    head = mlp(6, [5, 4], bias=True, norm="layer")
    head(torch.randn(8, 6)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in head.parameters())


@pytest.mark.parametrize(("width", "widths"), [(0, [3]), (3, [0]), (3, [4, -1])])
def test_empty_layer_is_refused(width: int, widths: list[int]) -> None:
    with pytest.raises(UserError, match="at least 1"):
        mlp(width, widths)


def test_unknown_norm_is_refused() -> None:
    with pytest.raises(UserError, match="no norm 'group'"):
        mlp(3, [3, 3], norm=cast(Any, "group"))  # what a recipe file could hold


def test_prototypes_are_cosines_whatever_the_lengths_and_the_precision() -> None:
    torch.manual_seed(0)
    prototypes, z = Prototypes(6, 9), torch.randn(5, 6)
    expected = torch.nn.functional.cosine_similarity(z[:, None], prototypes.weight, dim=2)
    torch.testing.assert_close(prototypes(z), expected)
    with torch.no_grad():
        prototypes.weight.mul_(7)
    torch.testing.assert_close(prototypes(1e-3 * z), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(prototypes(z), expected)
    assert prototypes(z.bfloat16()).dtype == torch.float32
    assert bool(torch.equal(prototypes(torch.zeros(1, 6)), torch.zeros(1, 9)))
