from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import WMSE, spectral_transformation, w_mse
from fullrank.losses.w_mse import cholesky
from fullrank.testing.clouds import aligned, noise, one_point
from fullrank.testing.derivative_laws import check_gradient
from fullrank.testing.loss_values import Loss, gradient, value
from tests.losses.reference import check_reference
from tests.losses.test_spectral import rank_after_training


def authors(z: Tensor, eps: float = 0.0) -> Tensor:
    """The authors' code for one sub-batch and two views, with the ridge that is ours."""
    units = []
    for view in z:
        x = view - view.mean(0)
        covariance = x.T @ x / (len(x) - 1)
        ridge = eps * covariance.diagonal().mean() * torch.eye(len(covariance), dtype=z.dtype)
        white = x @ torch.linalg.inv(torch.linalg.cholesky(covariance + ridge)).T
        units.append(white / white.norm(dim=1, keepdim=True))
    distance: Tensor = (units[0] - units[1]).square().sum(1)
    return distance.mean()


@pytest.mark.parametrize(("n", "d", "eps"), [(12, 4, 0.0), (40, 3, 0.0), (12, 4, 1e-2), (4, 6, 1e-2), (5, 5, 1e-3)])
def test_equals_the_authors_code(n: int, d: int, eps: float) -> None:
    check_reference(partial(w_mse, eps=eps), partial(authors, eps=eps), 2 * noise(2, n, d) + 1)


def test_our_ridge_is_far_below_the_loss() -> None:
    z = noise(2, 64, 16)
    assert value(w_mse, z) == pytest.approx(float(authors(z)), abs=1e-6)


@pytest.mark.parametrize(("n", "size", "parts"), [(12, 4, 3), (12, 5, 2), (13, 4, 3), (12, 12, 1), (12, 40, 1)])
def test_sub_batches_partition_the_samples_alike_in_all_views(n: int, size: int, parts: int) -> None:
    z = noise(2, n, 3)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(7))
    rows = order.tensor_split(parts)
    assert min(len(part) for part in rows) >= min(size, n)
    expected = sum(len(part) * float(authors(z[:, part])) for part in rows) / n
    # an eps of 0: four samples in three dimensions are ill conditioned
    assert value(partial(w_mse, size=size, seed=7, eps=0.0), z) == pytest.approx(expected, rel=1e-9)


def test_iterations_are_other_divisions_averaged() -> None:
    z = noise(2, 24, 3)
    generator = torch.Generator().manual_seed(0)
    expected = [
        float(torch.stack([authors(z[:, part]) for part in torch.randperm(24, generator=generator).split(8)]).mean())
        for _ in range(3)
    ]
    assert len(set(expected)) == 3
    loss = partial(w_mse, size=8, iterations=3, eps=0.0)
    assert value(loss, z) == pytest.approx(sum(expected) / 3, rel=1e-9)
    assert value(loss, z) == value(loss, z)
    assert value(partial(loss, seed=1), z) != value(loss, z)


@pytest.mark.slow
def test_zca_on_the_whole_batch_is_the_whitening_spectral_transformation() -> None:
    for n, d in ((12, 4), (4, 12)):
        z, zca = noise(2, n, d), partial(w_mse, whitening="zca")
        assert value(zca, z) == pytest.approx(value(spectral_transformation, z), rel=1e-9)
        check_gradient(partial(zca, size=6), 2, n, d)


def test_both_views_have_a_gradient() -> None:
    first, second = gradient(w_mse, noise(2, 12, 4))
    assert float(first.norm()) > 1e-3
    assert float(second.norm()) > 1e-3


def test_of_nearly_dependent_features_float32_has_the_gradient_of_float64() -> None:
    """Standard deviations from 1 to 1e-4: a factor in float32 gives a gradient that is twice as long and wrong."""
    z = (noise(2, 64, 8) * torch.logspace(0, -4, 8, dtype=torch.float64)) @ torch.linalg.qr(noise(8, 8, seed=1))[0]
    z, loss = z.float(), partial(w_mse, eps=0.0)
    exact = gradient(loss, z.double())
    assert float((gradient(loss, z).double() - exact).norm() / exact.norm()) < 1e-6


@pytest.mark.parametrize("d", [3, 8])
def test_cholesky_whitens_and_is_triangular(d: int) -> None:
    x = noise(40, d) @ noise(d, d, seed=1) + 5
    white = cholesky(x, 0.0)
    torch.testing.assert_close(white.T.cov(), torch.eye(d, dtype=torch.float64), rtol=0, atol=1e-10)
    mixing = torch.linalg.lstsq(x - x.mean(0), white).solution  # (D, D): feature i feeds on features up to i
    assert float(mixing.tril(-1).abs().max()) < 1e-10


def test_invertible_maps_of_either_view_are_free() -> None:
    z = noise(2, 20, 3)
    triangular = torch.eye(3, dtype=torch.float64) + noise(3, 3).triu(1)
    mapped = torch.stack([z[0] @ triangular + 4, 7 * z[1]])
    assert value(partial(w_mse, eps=0.0), mapped) == pytest.approx(value(partial(w_mse, eps=0.0), z), rel=1e-9)


def test_one_point_costs_two_and_agreement_nothing_at_any_rank() -> None:
    z = noise(64, 16)
    assert value(w_mse, aligned(one_point(z))) == 2  # the mean of 64 equal rows is not exact
    for rank in (1, 4, 16):
        assert value(w_mse, aligned(z[:, :rank] @ noise(rank, 16, seed=rank))) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("loss", [w_mse, partial(w_mse, size=32), partial(w_mse, whitening="zca")])
@pytest.mark.slow
def test_noise_between_the_views_keeps_the_rank_up(loss: Loss) -> None:
    assert (
        rank_after_training(loss, seed=0)
        > rank_after_training(partial(spectral_transformation, g=torch.ones_like), seed=0) + 2
    )


def test_what_cannot_be_whitened_is_explained() -> None:
    with pytest.raises(UserError, match="size 1"):
        w_mse(noise(2, 8, 4), size=1)
    with pytest.raises(UserError, match="4 samples of 8 features"):
        w_mse(noise(2, 4, 8), eps=0.0)


def test_an_unknown_whitening_is_refused_and_not_taken_for_zca() -> None:
    with pytest.raises(UserError, match=r"w_mse got whitening='zcaa': did you mean zca\?"):
        w_mse(noise(2, 8, 4), whitening="zcaa")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="w_mse got whitening='pca-like': pass cholesky or zca"):
        WMSE(whitening="pca-like")(noise(2, 8, 4))
