from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.losses import intl, spectral_transformation
from fullrank.stats import hill, power, spectral, spectrum
from fullrank.testing.clouds import aligned, noise, one_point
from fullrank.testing.derivative_laws import check_gradient
from fullrank.testing.loss_values import Loss, value
from tests.losses.reference import check_reference

Side = Literal["batch", "channel"]
both_axes = pytest.mark.parametrize("axis", ["batch", "channel"])


def rank_after_training(loss: Loss, seed: int) -> float:
    """Effective rank, at most 8, of a small network trained on noisy views of 20 clusters for 100 steps."""
    generator = torch.Generator().manual_seed(seed)
    clusters = 3 * torch.randn(20, 8, generator=generator)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 8))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(100):
        x = clusters[torch.randint(20, (128,), generator=generator)]
        views = [network(x + torch.randn(128, 8, generator=generator)) for _ in range(2)]
        optimizer.zero_grad()
        loss(torch.stack(views))["loss"].backward()
        optimizer.step()
    x = clusters.repeat(20, 1) + torch.randn(400, 8, generator=generator)
    return float(hill(spectrum(network(x).detach()), 1.0))


def plain(z: Tensor, p: float, axis: Side) -> Tensor:
    """2 - 2 cos after the eigenvectors of the whole covariance, for one pair; the null space stays out."""
    units = []
    for view in z:
        x = view - view.mean(0) if axis == "batch" else (view - view.mean(1, keepdim=True)).T
        eigenvalues, vectors = torch.linalg.eigh(x.T @ x / (len(x) - 1))
        alive = eigenvalues > 1e-9
        phi = (vectors[:, alive] * eigenvalues[alive] ** (-p)) @ vectors[:, alive].T
        white = x @ phi if axis == "batch" else (x @ phi).T
        units.append(white / white.norm(dim=1, keepdim=True))
    cosine: Tensor = (units[0] * units[1]).sum(1)
    return 2 - 2 * cosine.mean()


@both_axes
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5, 0.75])
@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (6, 6)])
def test_equals_the_eigenvectors_of_the_whole_covariance(axis: Side, p: float, n: int, d: int) -> None:
    loss, z = partial(spectral_transformation, g=power(p), axis=axis), noise(2, n, d) + 0.5 * noise(1, n, d, seed=1)
    full_rank = n > d if axis == "batch" else d > n
    if full_rank:
        check_reference(loss, partial(plain, p=p, axis=axis), z)
    else:
        assert value(loss, z) == pytest.approx(float(plain(z, p, axis)), abs=1e-7)


@both_axes
@pytest.mark.parametrize("p", [0.0, 0.25, 0.5])  # beyond, g of the null eigenvalue lifts rounding to the step's size
@pytest.mark.parametrize(("n", "d"), [(8, 4), (4, 8), (5, 5)])
def test_gradient_below_full_rank(axis: Side, p: float, n: int, d: int) -> None:
    check_gradient(partial(spectral_transformation, g=power(p), axis=axis), 2, n, d)


def test_the_default_whitens_and_a_constant_g_only_centers() -> None:
    z = noise(2, 12, 4) + 3
    assert value(spectral_transformation, z) == value(partial(spectral_transformation, g=power(0.5)), z)
    centered = z - z.mean(1, keepdim=True)
    cosine = torch.nn.functional.cosine_similarity(centered[0], centered[1]).mean()
    only_centered = value(partial(spectral_transformation, g=torch.ones_like), z)
    assert only_centered == pytest.approx(2 - 2 * float(cosine), abs=1e-12)


def test_the_covariance_of_the_output_is_that_of_the_power() -> None:
    z = noise(50, 4) @ torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64))
    before = torch.linalg.eigvalsh(z.T.cov())
    for p in (0.0, 0.3, 0.5):
        after = torch.linalg.eigvalsh(spectral(z, power(p)).T.cov())
        torch.testing.assert_close(after, before ** (1 - 2 * p), rtol=1e-10, atol=0)


@both_axes
def test_without_its_trace_loss_intl_is_near_the_whitening_member(axis: Side) -> None:
    """In the exact limit of many iterations, they are the same; 12 are enough for this condition number."""
    left, _, right = torch.linalg.svd(noise(2, 5, 40), full_matrices=False)
    wide = (left * torch.linspace(1, 2, 5, dtype=torch.float64)) @ right
    z = wide if axis == "channel" else wide.mT
    newton = value(partial(intl, axis=axis, iterations=12, beta=0.0), z)
    assert newton == pytest.approx(value(partial(spectral_transformation, axis=axis), z), abs=1e-6)


def test_one_point_costs_two_on_the_batch_axis_and_nothing_on_the_channel_axis() -> None:
    for kind in (torch.float32, torch.float64):
        point = aligned(one_point(noise(64, 16))).to(kind)  # its mean over 64 rows is not exact
        assert value(spectral_transformation, point) == 2
        assert value(partial(spectral_transformation, axis="channel"), point) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.slow
def test_only_a_power_near_one_half_keeps_the_rank_up(seed: int) -> None:
    ranks = [rank_after_training(partial(spectral_transformation, g=power(p)), seed) for p in (0.0, 0.25, 0.5)]
    assert ranks[0] + 0.3 < ranks[1] < ranks[2] - 1
    assert ranks[2] > 4


def test_any_function_of_the_spectrum_is_a_member() -> None:
    def shrink(eigenvalues: Tensor) -> Tensor:
        return 1 / (1 + eigenvalues)

    members: tuple[Callable[[Tensor], Tensor], ...] = (shrink, torch.exp, torch.log1p)
    for g in members:
        check_gradient(partial(spectral_transformation, g=g), 2, 6, 3)


def plain_pca(z: Tensor) -> Tensor:
    """2 - 2 cos of L^-1/2 U^T x for one pair, each eigenvector signed by its entry of largest magnitude."""
    units = []
    for view in z:
        x = view - view.mean(0)
        eigenvalues, vectors = torch.linalg.eigh(x.T.cov())
        vectors = vectors * vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()
        white = x @ vectors * eigenvalues.rsqrt()
        units.append(white / white.norm(dim=1, keepdim=True))
    cosine: Tensor = (units[0] * units[1]).sum(1)
    return 2 - 2 * cosine.mean()


pca = partial(spectral_transformation, components=True)


def test_components_are_pca_whitening_with_its_gradient() -> None:
    z = (noise(2, 12, 4) + 0.5 * noise(1, 12, 4, seed=1)) * torch.tensor([1.0, 2.0, 4.0, 8.0])
    check_reference(pca, plain_pca, z)
    assert value(pca, z) != pytest.approx(value(spectral_transformation, z), abs=1e-3)
    with pytest.raises(UserError, match='has components with axis="batch" only'):
        spectral_transformation(z, axis="channel", components=True)


@pytest.mark.parametrize("shape", [(8, 4), (4, 8)])
def test_components_are_blind_to_a_permutation_of_features_which_zca_is_not(shape: tuple[int, int]) -> None:
    view = noise(*shape)
    z = torch.stack([view, view.flip(1)])
    assert value(pca, z) == pytest.approx(0.0, abs=1e-9)
    assert value(spectral_transformation, z) > 0.5


def test_components_of_close_eigenvalues_are_not_comparable_between_views() -> None:
    """Views that differ by 0.001 agree after ZCA, and after PCA if eigenvalues are apart; else the axes turn."""
    round_cloud = torch.linalg.qr(noise(64, 8) - noise(64, 8).mean(0))[0] * 8
    views = torch.stack([round_cloud + 0.001 * noise(64, 8, seed=seed) for seed in (1, 2)])
    assert value(spectral_transformation, views) < 1e-4
    assert value(pca, views) > 0.5
    assert value(pca, views * torch.linspace(1, 3, 8)) < 1e-3


def test_components_of_one_point_cost_two_and_of_equal_eigenvalues_have_a_finite_gradient() -> None:
    assert value(pca, aligned(one_point(noise(64, 16)))) == 2
    z = torch.stack([torch.eye(6).roll(1, 0), torch.eye(6)]).requires_grad_()
    pca(z)["loss"].backward()
    assert z.grad is not None
    assert bool(z.grad.isfinite().all())
