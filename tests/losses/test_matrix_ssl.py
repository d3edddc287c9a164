from __future__ import annotations

import math
from functools import partial
from itertools import combinations

import pytest
import torch
from torch import Tensor

from fullrank.losses import matrix_ssl, mec
from fullrank.testing.clouds import aligned, noise, spread_cloud
from tests.losses.reference import check_reference


def naive(z: Tensor, ridge: float) -> Tensor:
    """tr(-P log Q) by the eigenvalues of Q, D x D and not symmetric, and MEC."""
    u = torch.nn.functional.normalize(z, dim=2)
    n, d = u.shape[1:]
    centering = torch.eye(n, dtype=z.dtype) - 1 / n
    traces = []
    for a, b in combinations(u, 2):
        q = a.T @ centering @ b / n + ridge * torch.eye(d, dtype=z.dtype)
        traces.append(-torch.linalg.eigvals(q).log().real.sum() / d)
    return mec(z)["loss"] + torch.stack(traces).mean()


@pytest.mark.parametrize(("views", "n", "d"), [(2, 12, 4), (2, 4, 12), (2, 5, 5), (3, 8, 3)])
@pytest.mark.parametrize("ridge", [0.5, 2.0])
def test_equals_the_formula_on_both_sides(views: int, n: int, d: int, ridge: float) -> None:
    close_views = noise(1, n, d) + 0.2 * noise(views, n, d, seed=1)
    check_reference(partial(matrix_ssl, ridge=ridge), partial(naive, ridge=ridge), close_views)


@pytest.mark.parametrize("ridge", [0.25, 0.5])
@pytest.mark.parametrize(("n", "d"), [(64, 4), (4, 64)])
def test_one_point_is_the_ridge_alone(n: int, d: int, ridge: float) -> None:
    terms = matrix_ssl(aligned(torch.ones(n, d).double()), ridge=ridge)
    assert float(terms["cross_entropy"]) == pytest.approx(-math.log(ridge), abs=1e-12)
    assert float(terms["uniformity"]) == pytest.approx(-math.log(33) / 32, abs=1e-12)


@pytest.mark.parametrize(("n", "d"), [(64, 16), (16, 32)])
def test_equal_directions_have_their_closed_form(n: int, d: int) -> None:
    cloud, alive = spread_cloud(n, d), min(n - 1, d)
    rows = torch.nn.functional.normalize(cloud, dim=1)
    covariance = (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / n
    expected = -(torch.linalg.eigvalsh(covariance) + 0.5).log().mean()
    assert float(matrix_ssl(aligned(cloud))["cross_entropy"]) == pytest.approx(float(expected), abs=1e-12)
    optimum = math.log(2) - alive / d * math.log1p(2 / alive)
    assert optimum <= float(expected) + 1e-12  # rows of one length would reach it
    assert float(expected) == pytest.approx(optimum, abs=0.01)


def test_the_weight_of_the_cross_entropy() -> None:
    z = noise(2, 8, 4)
    terms = matrix_ssl(z, cross_entropy=3.0)
    torch.testing.assert_close(terms["loss"], terms["uniformity"] + 3 * terms["cross_entropy"], rtol=1e-12, atol=0)


def test_the_cross_entropy_prefers_views_that_agree() -> None:
    z = noise(1, 32, 4)
    apart = [float(matrix_ssl(z + level * noise(2, 32, 4, seed=1))["cross_entropy"]) for level in (0.0, 0.3, 1.0)]
    assert apart == sorted(apart)
    assert apart[0] < apart[2] - 0.05


def test_opposite_views_lie_behind_the_singularity() -> None:
    """The declared blindness: an eigenvalue 1/2 - 1 counts as the 1/2 of unrelated views."""
    axis = torch.tensor([[1.0], [-1.0]]).double().repeat(4, 1)
    opposed = torch.stack([axis, -axis])
    assert float(matrix_ssl(opposed)["cross_entropy"]) == pytest.approx(math.log(2), abs=1e-12)
    assert float(matrix_ssl(aligned(axis))["cross_entropy"]) == pytest.approx(-math.log(1.5), abs=1e-12)
