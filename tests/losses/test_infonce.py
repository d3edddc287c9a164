from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from fullrank.losses import infonce
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def reference(z: Tensor, temperature: float) -> Tensor:
    """w2 check 16: the cross-entropy with logits [positive, negatives] / T, spelled out for every ordered pair."""
    unit = z / z.norm(dim=2, keepdim=True)
    views, samples, _ = z.shape
    losses = []
    for a in range(views):
        for b in range(views):
            for i in range(samples if a != b else 0):
                others = [unit[a, i] @ unit[b, j] for j in range(samples) if j != i]
                logits = torch.stack([unit[a, i] @ unit[b, i], *others]) / temperature
                losses.append(cross_entropy(logits[None], torch.zeros(1, dtype=torch.long)))
    return torch.stack(losses).mean()


@pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0])
@pytest.mark.parametrize("shape", [(2, 6, 3), (3, 4, 6)])
def test_w2_check_16_equals_cross_entropy_of_positive_and_negatives(temperature: float, shape: tuple[int, ...]) -> None:
    z = noise(*shape)
    check_reference(partial(infonce, temperature=temperature), partial(reference, temperature=temperature), z)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
def test_directclr_check_e11_one_point_is_chance_at_any_temperature(temperature: float) -> None:
    one = aligned(torch.ones(256, 8).double())
    assert value(partial(infonce, temperature=temperature), one) == pytest.approx(5.545177, abs=1e-6)


def test_pairs_that_are_told_apart_cost_nothing() -> None:
    assert value(infonce, aligned(torch.eye(8))) == pytest.approx(7 * 2.718281828**-10, rel=1e-2)
