from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import hill_entropy, w2
from fullrank.stats import hill, normalize, spectrum
from fullrank.testing.clouds import noise, spread_cloud, subspace
from fullrank.testing.derivative_laws import check_gradient
from fullrank.testing.loss_laws import check_finite
from fullrank.testing.loss_values import gradient, value
from tests.losses.reference import check_reference

ORDERS = [0.25, 0.5, 1.0, 2.0, 3.5, math.inf]
every_order = pytest.mark.parametrize("order", ORDERS)


@every_order
@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize("shape", [(1, 12, 4), (2, 4, 12), (3, 5, 5)])
def test_equals_the_metric_on_both_sides(shape: tuple[int, ...], centered: bool, order: float) -> None:
    z = noise(*shape) + 0.5
    n, d = shape[1:]
    keep = min(n - 1, d) if centered else min(n, d)  # the metric counts the rounding of a zero, at low orders
    ranks = [hill(spectrum(view, centered=centered)[:keep], order) for view in z]
    expected = -float(torch.stack(ranks).log().mean())
    assert value(partial(hill_entropy, order=order, centered=centered), z) == pytest.approx(expected, rel=1e-9)


@every_order
@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12)])
def test_value_and_gradient_are_those_of_the_singular_values(n: int, d: int, order: float) -> None:
    """Without the direction that centering takes away, whose singular value of 0 has no derivative."""
    axes = torch.linalg.qr(torch.cat([torch.ones(n, 1), torch.eye(n)[:, 1:]], 1).double()).Q[:, 1:]

    def plain(z: Tensor) -> Tensor:
        logs = []
        for view in z:
            squares = torch.linalg.svdvals(axes.T @ view).square()
            p = squares / squares.sum()
            if math.isinf(order):
                logs.append(-p.max().log())
            elif order == 1:
                logs.append(-(p * p.log()).sum())
            else:
                logs.append((p**order).sum().log() / (1 - order))
        return -torch.stack(logs).mean()

    check_reference(partial(hill_entropy, order=order), plain, noise(2, n, d))


@every_order
@pytest.mark.parametrize(("n", "d"), [(6, 3), (4, 6)])
def test_gradient_of_every_order(order: float, n: int, d: int) -> None:
    check_gradient(partial(hill_entropy, order=order), 2, n, d)


@pytest.mark.parametrize("order", [0.5, 1.0, 2.0])
def test_the_gradient_is_exact_where_eigenvalues_are_equal(order: float) -> None:
    """Two pairs of equal eigenvalues, where differentiating eigenvectors gives NaN; against finite differences."""
    cross = torch.cat([torch.eye(4), -torch.eye(4)]).double() * torch.tensor([2.0, 2.0, 1.0, 1.0])
    loss = partial(hill_entropy, order=order)
    z = cross[None].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda leaf: loss(leaf)["loss"], (z,))
    frame = torch.cat([torch.eye(4), -torch.eye(4)]).double()[None]
    torch.testing.assert_close(gradient(loss, frame), torch.zeros_like(frame), rtol=0, atol=1e-12)  # the optimum


@every_order
def test_missing_dimensions_have_a_finite_gradient(order: float) -> None:
    flat = spread_cloud(64, 16) @ subspace(16, rank=4)
    check_finite(partial(hill_entropy, order=order), flat[None])
    assert value(partial(hill_entropy, order=order), flat[None]) == pytest.approx(-math.log(4), abs=0.2)


@every_order
def test_spread_and_one_point(order: float) -> None:
    loss = partial(hill_entropy, order=order)
    assert value(loss, spread_cloud(64, 16)[None]) == pytest.approx(-math.log(16), abs=1e-9)
    for constant in (0.0, 0.1, 1000.3):
        z = torch.full((1, 7, 3), constant, dtype=torch.float64)
        assert value(loss, z) == 0.0
        assert not gradient(loss, z).any()


def test_order_one_half_is_the_spectral_part_of_w2() -> None:
    """W2^2 = 2 - 2 sqrt((1 - |mean|^2) D_1/2 / D) on unit rows."""
    z = normalize(noise(1, 40, 6) + 0.5)
    log_rank = -value(partial(hill_entropy, order=0.5), z)
    inner = (1 - float(z[0].mean(0).square().sum())) * math.exp(log_rank) / 6
    assert value(w2, z) == pytest.approx(math.sqrt(2 - 2 * math.sqrt(inner)), rel=1e-9)


def test_the_limit_at_one_is_continuous() -> None:
    z = noise(1, 12, 4)
    around = [value(partial(hill_entropy, order=q), z) for q in (1 - 1e-5, 1.0, 1 + 1e-5)]
    assert around[0] < around[1] < around[2]
    assert around[2] - around[0] < 1e-4


@pytest.mark.parametrize("order", [0.0, -1.0, math.nan])
def test_an_order_without_gradient_is_explained(order: float) -> None:
    with pytest.raises(UserError, match="order above 0"):
        hill_entropy(noise(1, 8, 4), order=order)
