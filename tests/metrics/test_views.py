"""Views, encoders and modalities: naive references, chance, and order over what should differ."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.pairwise import pairwise_cosine_similarity
from torchmetrics.functional.retrieval import retrieval_hit_rate

from fullrank.errors import UserError
from fullrank.metrics import Cloud, _pairs, cka, knn_overlap, lidar, modality_gap, view_retrieval
from fullrank.metrics import views as views_of
from tests.metrics.clouds import gaussian, rotation


def views(rank: int, noise: float, seed: int = 0) -> Tensor:
    """4 views of 100 samples in 16 dimensions: rank directions of signal, noise in all."""
    signal = gaussian(100, 16, seed) * (torch.arange(16) < rank)
    return signal + noise * gaussian(400, 16, seed + 1).reshape(4, 100, 16)


def test_lidar_is_the_entropy_of_the_whitened_scatter() -> None:
    z = views(5, 0.3)
    means = z.mean(0)
    between = (means - means.mean(0)).T @ (means - means.mean(0)) / 100
    within = sum((view - means).T @ (view - means) for view in z) / 400
    assert isinstance(within, Tensor)
    ridge = 1e-4 * float(between.trace() + within.trace()) / 16
    values = torch.linalg.eigvals(torch.linalg.solve(within + ridge * torch.eye(16), between)).real.clamp_min(1e-300)
    p = values / values.sum()
    assert lidar(z) == pytest.approx(float(torch.exp(-(p * p.log()).sum())), rel=1e-6)


def test_lidar_counts_what_survives_the_views() -> None:
    assert 4 < lidar(views(4, 0.1)) < 6
    assert lidar(views(4, 0.1)) < lidar(views(8, 0.1)) < lidar(views(16, 0.1))
    assert lidar(views(4, 0.1) * 1e6) == pytest.approx(lidar(views(4, 0.1)))
    assert lidar(views(4, 0.1)[:, :3]) <= 2 + 1e-9  # at most N - 1
    assert lidar(torch.full((2, 8, 3), 0.1)) == 1
    assert lidar(torch.zeros(2, 1, 3)) == 1


@pytest.mark.parametrize("shape", [(1, 5, 3), (5, 3), (2, 0, 3)])
def test_lidar_needs_views(shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="views have the shape"):
        lidar(torch.zeros(shape))


def test_retrieval_falls_with_noise_to_chance() -> None:
    z = gaussian(200, 16)
    found = [view_retrieval(z, z + noise * gaussian(200, 16, seed=1)) for noise in (0.0, 1.0, 3.0, 1e6)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 1
    assert found[3] < 0.05
    assert view_retrieval(torch.ones(400, 3), torch.ones(400, 3)) < 0.03
    with pytest.raises(UserError, match="equal width"):
        view_retrieval(z, z[:, :8])


def test_retrieval_is_the_hit_rate_of_torchmetrics() -> None:
    one, two = views(16, 1.5)[:2]
    scores = pairwise_cosine_similarity(one, two)
    hits = [float(retrieval_hit_rate(row, torch.arange(100) == at, top_k=1)) for at, row in enumerate(scores)]
    assert 0.1 < view_retrieval(one, two) < 0.9
    assert view_retrieval(one, two) == pytest.approx(sum(hits) / 100)


def test_overlap_is_the_share_of_common_neighbors() -> None:
    z = gaussian(60, 8)
    moved = z + 0.5 * gaussian(60, 8, seed=1)

    def nearest(x: Tensor) -> list[set[int]]:
        cosine = torch.nn.functional.cosine_similarity(x[:, None], x[None], dim=2).fill_diagonal_(-2)
        return [set(row.topk(5).indices.tolist()) for row in cosine]

    common = sum(len(a & b) for a, b in zip(nearest(z), nearest(moved), strict=True))
    assert knn_overlap(z, moved, k=5) == pytest.approx(common / 300)
    assert knn_overlap(z, 3 * z @ rotation(8), k=5) == 1
    assert knn_overlap(z, gaussian(60, 3, seed=5), k=59) == 1
    with pytest.raises(UserError, match="k is 0"):
        knn_overlap(z, z, k=0)


def test_overlap_of_equal_clusters_is_chance_within_them() -> None:
    """20 copies of 5 points: which of the 19 others come first is drawn at random, and not the order of the rows."""
    z = torch.eye(5).repeat(20, 1)
    assert knn_overlap(z, z, k=5) == pytest.approx(5 / 19, abs=0.08)


def test_cka_is_the_unbiased_hsic_of_song() -> None:
    x, y = gaussian(12, 3), gaussian(12, 5, seed=1) + 2.0

    def hsic(k: Tensor, m: Tensor) -> Tensor:
        n, ones = 12, torch.ones(12, dtype=torch.float64)
        k, m = k - k.diagonal().diag(), m - m.diagonal().diag()
        cross = (ones @ k @ ones) * (ones @ m @ ones) / ((n - 1) * (n - 2))
        return (k @ m).trace() + cross - 2 / (n - 2) * (ones @ k @ m @ ones)

    a, b = x @ x.T, y @ y.T
    assert cka(x, y) == pytest.approx(float(hsic(a, b) / (hsic(a, a) * hsic(b, b)).sqrt()), rel=1e-9)


def test_cka_of_unrelated_ones_is_zero_in_any_width() -> None:
    found = [cka(gaussian(64, 256, seed), gaussian(64, 256, seed + 50)) for seed in range(20)]
    assert sum(found) / 20 == pytest.approx(0, abs=0.02)  # the biased one says 0.8
    z = gaussian(64, 10)
    assert cka(z, 4 * z @ rotation(10) + 3.0) == pytest.approx(1)


def test_a_gap_is_found_and_taken_off() -> None:
    shared = gaussian(300, 32)
    shift = torch.zeros(32).double()
    shift[0] = 8.0
    image, text = shared + 0.3 * gaussian(300, 32, 1) + shift, shared + 0.3 * gaussian(300, 32, 2) - shift
    gap, none = modality_gap(image, text), modality_gap(image - shift, text + shift)
    assert gap.distance > 1.2
    assert gap.ratio > 1
    assert gap.separable == 1
    assert none.distance < 0.1
    assert none.separable == pytest.approx(0.5, abs=0.15)
    assert gap.retrieval_centered > 0.95
    with pytest.raises(UserError, match="modalities have shapes"):
        modality_gap(image, text[1:])


@pytest.mark.parametrize("value", [0.0, 0.1])
def test_two_points_in_one_place_have_no_gap(value: float) -> None:
    point = torch.full((40, 4), value)
    gap = modality_gap(point, point)
    assert (gap.distance, gap.ratio, gap.separable) == (0, 0, 0.5)
    assert modality_gap(torch.ones(40, 4), -torch.ones(40, 4)).ratio == math.inf
    assert modality_gap(torch.ones(1, 4), -torch.ones(1, 4)).separable == 1


@pytest.mark.parametrize("seeds", [(0, 0), (3, 3), (0, 1)])
def test_two_clouds_of_one_point_are_found_again_by_chance(seeds: tuple[int, int]) -> None:
    one, two = (Cloud(torch.ones(200, 8), seed=seed) for seed in seeds)
    assert view_retrieval(one, two) < 0.05
    assert knn_overlap(one, two) == pytest.approx(10 / 199, abs=0.03)
    assert modality_gap(one, two).retrieval < 0.05
    assert view_retrieval(one, one) < 0.05


def test_the_seed_of_a_cloud_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views_of, "MOST", 50)
    monkeypatch.setattr(_pairs, "MOST", 50)
    z = gaussian(200, 4)
    noisy = z + gaussian(200, 4, seed=1)
    for metric in (view_retrieval, knn_overlap):
        assert metric(Cloud(z, seed=5), Cloud(noisy, seed=5)) == metric(z, noisy, seed=5)
