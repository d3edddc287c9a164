from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import dcl, nt_xent
from fullrank.testing.clouds import aligned, noise, spread_cloud
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def by_loops(z: Tensor, temperature: float, sigma: float | None) -> Tensor:
    """Eq. 6: for every sample and ordered pair of views, its positive, weighted, and one sum over the negatives."""
    unit = z / z.norm(dim=2, keepdim=True)
    views, samples, _ = z.shape
    losses = []
    for a in range(views):
        for b in range(views):
            if a == b:
                continue
            positives = torch.stack([unit[a, i] @ unit[b, i] for i in range(samples)])
            easy = (positives / (sigma or 1.0)).exp()
            for i in range(samples):
                negatives = [unit[a, i] @ unit[c, j] for c in range(views) for j in range(samples) if j != i]
                weight = 1.0 if sigma is None else 2 - easy[i] / easy.mean()
                repulsion = (torch.stack(negatives) / temperature).exp().sum().log()
                losses.append(repulsion - weight * positives[i] / temperature)
    return torch.stack(losses).mean()


@pytest.mark.parametrize("sigma", [None, 0.5, 2.0])
@pytest.mark.parametrize("shape", [(2, 6, 3), (2, 3, 7), (3, 4, 5)])
def test_equals_eq_6(shape: tuple[int, ...], sigma: float | None) -> None:
    loss = partial(dcl, temperature=0.2, sigma=sigma)
    check_reference(loss, partial(by_loops, temperature=0.2, sigma=sigma), noise(*shape))


def test_is_nt_xent_without_the_positive_in_the_denominator() -> None:
    """exp(nt_xent) = 1 + exp(dcl) when all samples cost the same, as those of a simplex do."""
    simplex = aligned(torch.eye(5, dtype=torch.float64))
    expected = torch.tensor(value(partial(dcl, temperature=0.5), simplex)).exp().log1p()
    assert value(nt_xent, simplex) == pytest.approx(float(expected), abs=1e-6)


def test_one_point_is_ln_510_and_healthy_is_negative() -> None:
    assert value(dcl, aligned(torch.ones(256, 8).double())) == pytest.approx(6.234411, abs=1e-6)
    assert value(dcl, aligned(spread_cloud(64, 16))) < 0


def test_dclw_weighs_hard_positives_up() -> None:
    """Equal positives weigh the same; else the worse one weighs more, so that the loss is higher than without."""
    z = torch.eye(2, 4, dtype=torch.float64).repeat(2, 1, 1)
    assert value(partial(dcl, sigma=0.5), z) == pytest.approx(value(dcl, z), abs=1e-12)
    z[1, 1] = torch.tensor([0.0, 1.0, 1.0, 0.0])
    assert value(partial(dcl, sigma=0.5), z) > value(dcl, z) + 0.1
