from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import ssl_hsic
from fullrank.stats import hill, spectrum
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import descend, relative_spread, value
from tests.losses.reference import check_reference


def naive(z: Tensor, scale: float = 1.0) -> Tensor:
    """Traces of centered kernel matrices, of all pairs of rows one by one; Y as a one-hot kernel matrix."""
    views, n, _ = z.shape
    rows = torch.nn.functional.normalize(z, dim=2).flatten(0, 1)
    m = views * n
    k = torch.stack([torch.stack([scale / (scale**2 + (a - b).square().sum()).sqrt() for b in rows]) for a in rows])
    sample = torch.arange(n).repeat(views)
    same = (sample[:, None] == sample).to(z.dtype) - torch.eye(m, dtype=z.dtype)
    dependence = (k * same).sum() / same.sum() - k.sum() / m**2
    h = torch.eye(m, dtype=z.dtype) - 1 / m
    return -dependence + 3 * ((k @ h @ k @ h).trace() / m**2).sqrt()


@pytest.mark.parametrize(("views", "n", "d"), [(2, 6, 3), (2, 3, 6), (3, 4, 4)])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_equals_the_formula(views: int, n: int, d: int, scale: float) -> None:
    check_reference(partial(ssl_hsic, scale=scale), partial(naive, scale=scale), noise(views, n, d))


def test_dependence_is_the_biased_hsic_with_the_one_hot_kernel_but_for_the_self_pairs() -> None:
    """tr(K H L H) / M^2 is the V-statistic; with k(u, u) = 1 known, the views of a sample are compared without it."""
    z = noise(3, 5, 4)
    rows = torch.nn.functional.normalize(z, dim=2).flatten(0, 1)
    k = (1 + torch.cdist(rows, rows).square()).rsqrt()
    label = torch.arange(5).repeat(3)
    h, same = torch.eye(15).double() - 1 / 15, (label[:, None] == label).double()
    biased = float((k @ h @ same @ h).trace()) / 15**2
    between = (biased * 15 + float(k.mean()) * 3 - 1) / 2  # 15 biased = 1 + 2 between - 3 mean
    assert float(ssl_hsic(z)["dependence"]) == pytest.approx(float(k.mean()) - between, abs=1e-12)


@pytest.mark.parametrize("n", [4, 10, 11, 32])
def test_orthogonal_samples_and_one_point(n: int) -> None:
    """-(1 - k)(1 - 1/N)(1 - bottleneck / sqrt(N - 1)): with N <= 10 one point is the better, as declared."""
    cloud = aligned(torch.eye(n, dtype=torch.float64))
    expected = -(1 - 1 / math.sqrt(3)) * (1 - 1 / n) * (1 - 3 / math.sqrt(n - 1))
    assert value(ssl_hsic, cloud) == pytest.approx(expected, abs=1e-12)
    assert value(ssl_hsic, aligned(torch.ones(n, n).double())) == pytest.approx(0, abs=1e-12)
    assert (expected < 0) == (n > 10)


def around_one_point(rank: int) -> Tensor:
    """A flat cloud of `rank` directions and tiny size, at right angles to the point it is around."""
    size = 1e-3 * math.sqrt(rank)
    cloud = torch.cat([torch.eye(rank), -torch.eye(rank)]).double()
    return torch.cat([torch.ones(2 * rank, 1).double(), size * cloud], 1)


@pytest.mark.parametrize("rank", [2, 4, 16, 36])
def test_around_one_point_the_loss_is_trace_times_bottleneck_over_root_rank_less_one(rank: int) -> None:
    z = around_one_point(rank)
    eigenvalues = spectrum(torch.nn.functional.normalize(z, dim=1))
    assert float(hill(eigenvalues, 2.0)) == pytest.approx(rank, rel=1e-6)
    expected = float(eigenvalues.sum()) * (3 / math.sqrt(rank) - 1)
    assert value(ssl_hsic, aligned(z)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("rank", [4, 16])
def test_the_declared_blindness_a_flat_cloud_of_low_rank_falls_into_the_point(rank: int) -> None:
    z = around_one_point(rank)
    assert (relative_spread(descend(ssl_hsic, z)) > relative_spread(z)) == (rank > 9)
    assert relative_spread(descend(partial(ssl_hsic, bottleneck=1.0), z)) > relative_spread(z)
