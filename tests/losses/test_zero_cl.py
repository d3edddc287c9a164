"""Of Zero-CL only the two ZCA whitenings and the traces are known: they are tested, and what is ours, by its bounds."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import spectral_transformation, zero_cl
from fullrank.testing.clouds import aligned, few_dimensions, noise
from fullrank.testing.loss_values import Loss, value
from tests.losses.reference import check_reference
from tests.losses.test_spectral import rank_after_training

only_instance, only_feature = partial(zero_cl, feature=0.0), partial(zero_cl, instance=0.0)


def polar(x: Tensor) -> Tensor:
    """ZCA-whitened columns of x up to a factor: the orthogonal factor of the centered x, rank by rank."""
    left, sizes, right = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    alive = sizes > 1e-9
    factor: Tensor = left[:, alive] @ right[alive]
    return factor


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (6, 6)])
def test_terms_are_traces_of_polar_factors_over_their_rank(n: int, d: int) -> None:
    z = noise(2, n, d)
    terms = zero_cl(z)
    feature = (polar(z[0]) * polar(z[1])).sum() / min(n - 1, d)
    instance = (polar(z[0].T) * polar(z[1].T)).sum() / min(d - 1, n)
    assert float(terms["feature"]) == pytest.approx(-float(feature), abs=1e-7)  # the floor of eigenvalues is 1e-10
    assert float(terms["instance"]) == pytest.approx(-float(instance), abs=1e-7)


def whitened(x: Tensor) -> Tensor:
    """The polar factor of the centered x (n, d), without the direction that centering takes away: differentiable."""
    axes = torch.linalg.qr(torch.cat([torch.ones(len(x), 1), torch.eye(len(x))[:, 1:]], 1).double()).Q[:, 1:]
    left, _, right = torch.linalg.svd(axes.T @ x, full_matrices=False)
    factor: Tensor = axes @ left @ right
    return factor


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (6, 6)])
def test_equals_the_plain_formula(n: int, d: int) -> None:
    def plain(z: Tensor) -> Tensor:
        feature = (whitened(z[0]) * whitened(z[1])).sum() / min(n - 1, d)
        instance = (whitened(z[0].T) * whitened(z[1].T)).sum() / min(d - 1, n)
        return -feature - instance

    check_reference(zero_cl, plain, noise(2, n, d))


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (6, 6), (2, 2)])
def test_views_that_agree_at_full_rank_are_the_optimum(n: int, d: int) -> None:
    z = aligned(noise(n, d))
    assert value(only_instance, z) == pytest.approx(-1.0, abs=1e-7)
    assert value(only_feature, z) == pytest.approx(-1.0, abs=1e-7)
    assert value(zero_cl, torch.stack([z[0], noise(n, d, seed=1)])) > -2


def test_a_lost_dimension_costs_its_share() -> None:
    """Rank 4 of 16 over 64 samples, for the features; the same of the 15 dimensions that centering samples leaves."""
    z = aligned(few_dimensions(noise(64, 16)))
    assert value(only_feature, z) == pytest.approx(-4 / 16, abs=1e-7)
    assert value(only_instance, z) == pytest.approx(-4 / 15, abs=1e-7)


def test_opposite_views_are_the_worst() -> None:
    z = noise(12, 4)
    assert value(zero_cl, torch.stack([z, -z])) == pytest.approx(2.0, abs=1e-7)


def test_each_weight_weighs_its_term() -> None:
    terms = zero_cl(noise(2, 10, 3), instance=2.0, feature=3.0)
    torch.testing.assert_close(terms["loss"], 2 * terms["instance"] + 3 * terms["feature"], rtol=1e-12, atol=0)


@pytest.mark.parametrize("loss", [zero_cl, only_instance, only_feature])
@pytest.mark.slow
def test_noise_between_the_views_keeps_the_rank_up(loss: Loss) -> None:
    centered_only = partial(spectral_transformation, g=torch.ones_like)
    assert rank_after_training(loss, seed=0) > rank_after_training(centered_only, seed=0) + 2
