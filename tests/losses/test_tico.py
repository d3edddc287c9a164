from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import TiCo
from fullrank.testing.clouds import aligned, noise, spread_cloud
from tests.losses.reference import check_reference


def published(z: Tensor, c: Tensor, memory: float = 0.9, rho: float = 8.0) -> tuple[Tensor, Tensor]:
    """One step of the usual code, D x D: the loss and the next C."""
    a, b = torch.nn.functional.normalize(z, dim=2)
    c = memory * c + (1 - memory) * a.T @ a / len(a)
    return 1 - (a * b).sum(1).mean() + rho * ((a @ c) * a).sum(1).mean(), c


def published_value(z: Tensor, c: Tensor) -> Tensor:
    return published(z, c)[0]


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (5, 5)])
def test_three_steps_equal_the_published_recursion(n: int, d: int) -> None:
    loss, c = TiCo(features=d), torch.zeros(d, d, dtype=torch.float64)
    for seed in range(3):
        z, old = noise(2, n, d, seed=seed), c
        loss.eval()  # which leaves the state as it is
        check_reference(loss, partial(published_value, c=old), z)
        loss.train()
        value, c = published(z, old)
        torch.testing.assert_close(loss(z)["loss"], value, rtol=1e-12, atol=0)
        torch.testing.assert_close(loss.moment, c, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(
            torch.trace(loss.moment), torch.tensor(1 - 0.9 ** (seed + 1)).double(), rtol=1e-6, atol=0
        )


def test_memory_and_weight() -> None:
    z = noise(2, 6, 4)
    terms = TiCo(features=4, memory=0.5, covariance=20.0)(z)
    expected, _ = published(z, torch.zeros(4, 4, dtype=torch.float64), memory=0.5, rho=20.0)
    torch.testing.assert_close(terms["loss"], expected, rtol=1e-12, atol=0)


def test_the_state_is_in_the_checkpoint() -> None:
    loss, z = TiCo(features=4), noise(2, 8, 4)
    loss(z)
    loaded = TiCo(features=4)
    loaded.load_state_dict(loss.state_dict())
    assert float(loaded.moment.trace()) > 0
    assert torch.equal(loaded(z)["loss"], loss(z)["loss"])


def test_the_memory_has_no_gradient_and_survives_two_losses_in_one_step() -> None:
    loss, z = TiCo(features=4), noise(2, 8, 4).requires_grad_()
    (loss(z)["loss"] + loss(z)["loss"]).backward()
    assert z.grad is not None
    assert bool(z.grad.isfinite().all())
    assert not loss.moment.requires_grad


def test_collapse_costs_rho_once_the_memory_has_it_and_spread_a_share() -> None:
    costs = []
    for cloud in (spread_cloud(64, 16), torch.ones(64, 16).double()):
        loss = TiCo(features=16)
        costs.append([float(loss(aligned(cloud))["loss"]) for _ in range(100)])
    assert costs[1][0] == pytest.approx(0.8, rel=1e-9)
    assert costs[1][-1] == pytest.approx(8.0, rel=1e-4)
    assert costs[0][-1] < 8.0 / 8


def test_another_width_is_explained() -> None:
    with pytest.raises(UserError, match="made for 4 features"):
        TiCo(features=4)(noise(2, 8, 5))
