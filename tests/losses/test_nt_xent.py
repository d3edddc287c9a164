from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullrank.losses import nt_xent
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def simclr(z: Tensor, temperature: float) -> Tensor:
    """SimCLR's two views: one cross-entropy over the 2N x 2N similarities without their diagonal."""
    rows = torch.nn.functional.normalize(z, dim=2).flatten(0, 1)
    n = z.shape[1]
    logits = (rows @ rows.T / temperature).fill_diagonal_(-torch.inf)
    return cross_entropy(logits, (torch.arange(2 * n) + n) % (2 * n))


def by_loops(z: Tensor, temperature: float) -> Tensor:
    unit = z / z.norm(dim=2, keepdim=True)
    views, samples, _ = z.shape
    losses = []
    for a in range(views):
        for b in range(views):
            for i in range(samples if a != b else 0):
                negatives = [unit[a, i] @ unit[c, j] for c in range(views) for j in range(samples) if j != i]
                logits = torch.stack([unit[a, i] @ unit[b, i], *negatives]) / temperature
                losses.append(-logits.log_softmax(0)[0])
    return torch.stack(losses).mean()


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("shape", [(2, 6, 3), (2, 3, 7)])
def test_equals_simclr_on_two_views(temperature: float, shape: tuple[int, ...]) -> None:
    z = noise(*shape)
    check_reference(partial(nt_xent, temperature=temperature), partial(simclr, temperature=temperature), z)


@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 4, 6), (4, 2, 3)])
def test_equals_the_definition_on_many_views(shape: tuple[int, ...]) -> None:
    check_reference(nt_xent, partial(by_loops, temperature=0.5), noise(*shape))


@pytest.mark.parametrize(("views", "expected"), [(2, 6.236370), (3, 6.641182)])  # ln 511, ln 766
def test_one_point_is_chance(views: int, expected: float) -> None:
    assert value(nt_xent, aligned(torch.ones(256, 8).double(), views)) == pytest.approx(expected, abs=1e-6)
