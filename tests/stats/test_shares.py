"""Shares of all pairs: together the processes compute each pair once, and each about as many as the others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import infonce, nt_xent, ssl_hsic, uniformity
from fullrank.losses.terms import Terms
from fullrank.stats import Shares, shared
from fullrank.stats.pairs.shares import starts


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("rows", [1025, 4096, 5000])
def test_every_row_is_of_one_process_and_all_have_as_many_pairs(rows: int, count: int) -> None:
    shares = [list(starts(rows, 512, rank, count)) for rank in range(count)]
    blocks = sorted(block for share in shares for block in share)
    assert [row for start, stop in blocks for row in range(start, stop)] == list(range(rows))
    pairs = [sum((stop - start) * (rows - start) for start, stop in share) for share in shares]
    assert max(pairs) < 1.2 * sum(pairs) / count


@pytest.mark.parametrize("loss", [nt_xent, infonce, uniformity, ssl_hsic])
def test_a_second_derivative_of_a_shared_loss_is_refused(loss: Callable[[Tensor], Terms]) -> None:
    z = torch.randn(2, 1100, 3, requires_grad=True)
    with shared(Shares(0, 2, lambda own: torch.cat([own, own]))):
        value = loss(z)["loss"]
    with pytest.raises(UserError, match="share has no second derivative"):
        torch.autograd.grad(value, z, create_graph=True)
