"""SIGReg and VISReg: values, gradients, null and collapse."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import Terms, sigreg, visreg
from fullrank.recipes.lejepa import LeJEPA
from fullrank.stats import hill, random_slices, spectrum
from fullrank.testing.clouds import aligned, noise, one_point
from fullrank.testing.loss_values import gradient, relative_spread
from tests.losses.reference import check_reference
from tests.losses.sliced import epps_pulley, integral, naive_sigreg, naive_visreg

every_loss = pytest.mark.parametrize("loss", [sigreg, visreg])


@pytest.mark.parametrize(("views", "n", "d"), [(2, 12, 4), (2, 4, 12), (3, 6, 6), (2, 2, 3)])
@pytest.mark.parametrize(("loss", "naive"), [(sigreg, naive_sigreg), (visreg, naive_visreg)])
def test_equals_the_formula(
    loss: Callable[..., Terms], naive: Callable[..., Tensor], views: int, n: int, d: int
) -> None:
    check_reference(partial(loss, slices=5), partial(naive, slices=5), 0.8 * noise(views, n, d) + 0.5)


def test_views_are_pulled_to_the_center_of_the_global_ones() -> None:
    z = noise(5, 12, 4).requires_grad_()
    found = sigreg(z, slices=5, global_views=2)
    center = (z[0] + z[1]) / 2
    expected = torch.stack([(view - center).square().mean() for view in z]).mean()
    torch.testing.assert_close(found["invariance"], expected)
    torch.testing.assert_close(found["normality"], sigreg(z, slices=5)["normality"])
    torch.testing.assert_close(sigreg(z, slices=5, global_views=5)["loss"], sigreg(z, slices=5)["loss"])
    with pytest.raises(UserError, match="global_views=6 and 5 views"):
        sigreg(z, global_views=6)


def test_lejepa_knows_its_global_views_by_their_size() -> None:
    z = noise(4, 12, 64)
    loss = LeJEPA(crops="2x32,2x16").objective()(z)
    torch.testing.assert_close(loss["invariance"], sigreg(z, slices=256, global_views=2)["invariance"])
    assert not torch.equal(loss["invariance"], sigreg(z, slices=256)["invariance"])
    with pytest.raises(UserError, match="put the largest first"):
        LeJEPA(crops="16,2x32").objective()


def test_slices_are_unit_vectors_of_their_seed() -> None:
    like = torch.zeros(1, dtype=torch.float64)
    slices = random_slices(6, 4000, seed=3, like=like)
    assert slices.square().sum(0).tolist() == pytest.approx([1.0] * 4000)
    assert float((slices @ slices.T / 4000 - torch.eye(6) / 6).abs().max()) < 0.02  # no direction is preferred
    assert torch.equal(random_slices(6, 4000, seed=3, like=like), slices)
    assert torch.equal(random_slices(6, 4000, seed=3, like=like.float()), slices.float())
    assert not torch.equal(random_slices(6, 4000, seed=4, like=like), slices)


@every_loss
def test_the_seed_draws_the_slices_and_nothing_else_does(loss: Callable[..., Terms]) -> None:
    state, z = torch.random.get_rng_state(), noise(2, 8, 4)
    assert torch.equal(loss(z, slices=8)["loss"], loss(z, slices=8, seed=0)["loss"])
    assert not torch.equal(loss(z, slices=8)["loss"], loss(z, slices=8, seed=1)["loss"])
    assert torch.equal(state, torch.random.get_rng_state())


def test_sigreg_of_a_normal_is_1_05_for_any_number_of_samples() -> None:
    normal = torch.exp(-torch.linspace(0, 3, 17, dtype=torch.float64).square() / 2)
    null = float(integral(list((1 - normal.square()) * normal)))
    assert null == pytest.approx(1.0525, abs=5e-5)  # E |phi_N - phi|^2 = (1 - phi^2) / N
    for n in (50, 400):
        clouds = sigreg(noise(32, n, 64), slices=64)  # of which one is 10 % off or more
        assert float(clouds["normality"]) == pytest.approx(null, rel=0.08)


def test_sigreg_of_zeros_is_0_402_n() -> None:
    for n in (10, 1000):
        zeros = sigreg(torch.zeros(2, n, 8), slices=16)
        assert float(zeros["normality"]) == pytest.approx(0.402 * n, rel=1e-3)
        assert float(zeros["loss"]) == pytest.approx(0.0201 * n, rel=1e-3)
    exact = math.sqrt(2 * math.pi) * (1 - math.sqrt(2) + 1 / math.sqrt(3))  # over all frequencies
    assert exact == pytest.approx(0.409, abs=5e-4)
    assert float(epps_pulley(torch.zeros(1))) < exact


def test_sigreg_tells_scale_and_shape() -> None:
    def normality(x: Tensor) -> float:
        return float(sigreg(aligned(x), slices=64)["normality"])

    z = noise(500, 16)
    corners = noise(500, 2, seed=1).sign() @ torch.linalg.qr(noise(16, 2, seed=2)).Q.T * math.sqrt(8)
    assert normality(z) < 2
    for other in (z + 1, 2 * z, z / 2, corners, one_point(z)):
        assert normality(other) > 20


def test_visreg_of_a_normal_is_all_but_nothing() -> None:
    terms = visreg(aligned(noise(4000, 8)), slices=64)
    assert float(terms["loss"]) < 0.01
    assert float(visreg(aligned(noise(4000, 2).sign()), slices=64)["shape"]) > 0.02


def test_visreg_terms_are_decoupled() -> None:
    z = noise(2, 200, 6)
    z = (z - z.mean(1, keepdim=True)) / z.std(1, correction=0, keepdim=True)
    terms, moved, scaled = (visreg(x, slices=32) for x in (z, z + 2, 3 * z))
    assert float(terms["scale"]) == pytest.approx(0, abs=1e-20)
    assert float(terms["center"]) == pytest.approx(0, abs=1e-20)
    assert float(moved["center"]) == pytest.approx(4)
    assert float(scaled["scale"]) == pytest.approx(4)
    for other in (moved, scaled):
        assert float(other["shape"]) == pytest.approx(float(terms["shape"]), rel=1e-5)  # 1e-6 beside the std


@every_loss
def test_new_slices_at_each_step_lead_from_one_point_to_full_rank(loss: Callable[..., Terms]) -> None:
    z = one_point(noise(64, 16)) + 1e-2 * noise(64, 16, seed=3)
    for step in range(150):
        z = z - 10 * gradient(partial(loss, slices=64, seed=step), aligned(z)).sum(0)
    assert relative_spread(z) > 0.95
    assert hill(spectrum(z), 1.0) > 13


@every_loss
def test_the_weight_mixes_the_two(loss: Callable[..., Terms]) -> None:
    z = noise(2, 10, 3)
    terms, alone = loss(z, regularization=0.25, slices=8), loss(z, regularization=1.0, slices=8)
    expected = 0.75 * terms["invariance"] + 0.25 * alone["loss"]
    torch.testing.assert_close(terms["loss"], expected, rtol=1e-12, atol=0)
