from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import mec
from fullrank.testing.clouds import aligned, noise, spread_cloud
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def authors(z: Tensor, eps: float, order: int) -> Tensor:
    """Their code, N x N: the sum of signed powers, over N, times 1 / lambda = N eps."""
    p, q = torch.nn.functional.normalize(z, dim=2)
    n = len(p)
    c = p @ q.T / (n * eps)
    total = sum(((-1) ** (k + 1) * torch.linalg.matrix_power(c, k) / k for k in range(1, order + 1)), torch.zeros(n, n))
    return -eps * total.trace()


def exact(z: Tensor, eps: float) -> Tensor:
    p, q = torch.nn.functional.normalize(z, dim=2)
    n = len(p)
    return -eps * torch.logdet(torch.eye(n) + p @ q.T / (n * eps))


def close_views(n: int, d: int) -> Tensor:
    return noise(1, n, d) + 0.2 * noise(2, n, d, seed=1)


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (5, 5)])
@pytest.mark.parametrize("order", [1, 3, 4])
def test_the_series_equals_the_authors_code_on_both_sides(n: int, d: int, order: int) -> None:
    check_reference(partial(mec, order=order, eps=0.25), partial(authors, order=order, eps=0.25), noise(2, n, d))


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (5, 5)])
@pytest.mark.parametrize("eps", [1 / 32, 0.5])
def test_the_default_equals_the_determinant_on_both_sides(n: int, d: int, eps: float) -> None:
    check_reference(partial(mec, eps=eps), partial(exact, eps=eps), close_views(n, d))


def test_the_series_approaches_the_determinant_where_it_converges_and_only_there() -> None:
    cloud = aligned(spread_cloud(64, 16))
    exact_value, series = value(partial(mec, eps=1.0), cloud), value(partial(mec, eps=1.0, order=12), cloud)
    assert series == pytest.approx(exact_value, abs=1e-9)
    point = aligned(torch.ones(64, 16).double())
    assert value(partial(mec, order=4), point) > 1000 > 0 > value(mec, point)  # 32^4 / 4 over 32


@pytest.mark.parametrize("eps", [1 / 32, 1.0])
def test_one_point_and_the_optimum(eps: float) -> None:
    point, frame = aligned(torch.ones(8, 4).double()), aligned(torch.eye(4).double().repeat(2, 1))
    assert value(partial(mec, eps=eps), point) == pytest.approx(-eps * math.log1p(1 / eps), rel=1e-10)
    assert value(partial(mec, eps=eps), frame) == pytest.approx(-eps * 4 * math.log1p(1 / (4 * eps)), rel=1e-10)


def test_opposite_views_lie_behind_a_singularity_of_the_determinant_not_of_the_series() -> None:
    """The declared blindness: eigenvalues 1 - 8 count as 7, almost as good as views that agree, 1 + 8."""
    frame = torch.eye(4, dtype=torch.float64).repeat(2, 1)
    opposed = torch.stack([frame, -frame])
    assert value(mec, opposed) == pytest.approx(-4 * math.log(7) / 32, rel=1e-10)
    assert value(mec, aligned(frame)) == pytest.approx(-4 * math.log(9) / 32, rel=1e-10)
    assert value(partial(mec, order=4), opposed) > 100
