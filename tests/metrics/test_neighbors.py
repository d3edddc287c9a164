"""Pairs and neighbors: naive references, closed forms, samples, and a named peer's values."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from scipy.stats import skew
from sklearn.neighbors import NearestNeighbors

from fullrank.errors import UserError
from fullrank.metrics import (
    Cloud,
    _pairs,
    antihub_share,
    duplicate_rows,
    gaussian_like,
    hub_skewness,
    hyperspherical_energy,
    koleo,
    mle_dimension,
    near_duplicate_rows,
    neighbor_agreement,
    neighbor_jump,
    relative_contrast,
    sigreg,
    summarize_neighbors,
    two_nn,
    uniform_energy,
    uniformity,
)
from fullrank.metrics._pairs import Distances, first_copies, neighbors, sample
from fullrank.metrics.hubs import occurrences
from fullrank.stats import normalize
from tests.metrics.clouds import gaussian, offset, power_law


def test_neighbors_are_scikit_learns_in_any_block(monkeypatch: pytest.MonkeyPatch) -> None:
    x = gaussian(80, 5) + 1e3
    near, index = NearestNeighbors(n_neighbors=5).fit(x.numpy()).kneighbors(x.numpy())
    across = NearestNeighbors(n_neighbors=4).fit(x.numpy()).kneighbors(x[:7].numpy() + 0.1)[1]
    for block in (1000, 1 << 22):
        monkeypatch.setattr(_pairs, "_BLOCK", block)
        found, which = neighbors(x, 4)
        np.testing.assert_array_equal(which.numpy(), index[:, 1:])
        np.testing.assert_allclose(found.numpy(), near[:, 1:], rtol=1e-9)
        np.testing.assert_array_equal(neighbors(x, 4, queries=x[:7] + 0.1)[1].numpy(), across)
        upper = torch.cat([part[torch.ones_like(part).triu(1) > 0] for _, part in Distances(x)])
        torch.testing.assert_close(upper.sort().values, torch.pdist(x).square().sort().values)


def test_many_rows_are_sampled_by_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pairs, "MOST", 30)
    x = gaussian(100, 3)
    assert len(sample(x, 0)) == 30
    torch.testing.assert_close(sample(x, 0), sample(x, 0))
    assert not torch.equal(sample(x, 0), sample(x, 1))
    assert koleo(x) == koleo(x)
    assert uniformity(x) == uniformity(sample(x, 0))
    assert koleo(x) != koleo(x, seed=1)


@pytest.mark.parametrize("angular", [False, True])
@pytest.mark.parametrize("power", [0, 1, 2])
def test_energy_is_the_mean_over_pairs(power: Literal[0, 1, 2], angular: bool) -> None:
    z = gaussian(40, 6)
    cosine = (normalize(z) @ normalize(z).T)[torch.ones(40, 40).triu(1) > 0]
    gap = cosine.acos() if angular else (2 - 2 * cosine).sqrt()
    expected = float((-gap.log() if power == 0 else gap**-power).mean())
    assert hyperspherical_energy(z, power=power, angular=angular) == pytest.approx(expected)


@pytest.mark.parametrize("dims", [6, 64])
@pytest.mark.parametrize("power", [0, 1, 2])
def test_energy_of_uniform_directions(power: Literal[0, 1, 2], dims: int) -> None:
    assert hyperspherical_energy(gaussian(1500, dims), power=power) == pytest.approx(
        uniform_energy(dims, power=power), rel=0.01, abs=0.003
    )
    assert uniform_energy(3, power=0) == pytest.approx(0.5 - math.log(2))  # on the sphere: density of t is t / 2


def test_energy_refuses_other_powers() -> None:
    with pytest.raises(UserError, match="power of the energy is 3"):
        hyperspherical_energy(torch.eye(3), power=3)  # type: ignore[arg-type]


def test_relative_contrast_reads_clusters() -> None:
    tight = torch.eye(10, 64).double()[torch.arange(500) % 10] * 8 + 0.02 * gaussian(500, 64)
    assert 20 < relative_contrast(tight) < 80
    assert 1.05 < relative_contrast(gaussian(1000, 256)) < 1.21
    assert relative_contrast(torch.cat([gaussian(100, 8)] * 2)) == pytest.approx(relative_contrast(gaussian(100, 8)))


@pytest.mark.parametrize("size", [2, 4])
def test_small_families_of_rows_have_a_contrast_and_are_no_clusters(size: int) -> None:
    families = gaussian(1200 // size, 32).repeat_interleave(size, 0) + 0.05 * gaussian(1200, 32, seed=1)
    assert relative_contrast(families) > 10
    assert neighbor_jump(families) < 1.5


@pytest.mark.parametrize(("n", "count"), [(96, 4), (96, 10), (1200, 3), (1200, 40)])
def test_distances_jump_at_the_edge_of_clusters(n: int, count: int) -> None:
    assert neighbor_jump(gaussian(count, 64)[torch.arange(n) % count] + 0.02 * gaussian(n, 64, seed=1)) > 30


def test_distances_jump_at_the_edge_of_a_cluster_of_most_rows() -> None:
    places = (torch.arange(1000) * 7 % 10 - 6).clamp_min(0)  # 7 of 10 rows in the first
    assert neighbor_jump(gaussian(4, 64)[places] + 0.02 * gaussian(1000, 64, seed=1)) > 30


@pytest.mark.parametrize("n", [96, 1200])
def test_distances_jump_little_on_a_smooth_set(n: int) -> None:
    line = torch.linspace(0, 1, n)
    spiral = torch.stack([line * (20 * line).cos(), line * (20 * line).sin()], 1)  # curved, of one dimension
    assert neighbor_jump(line[:, None]) == pytest.approx(1.5, abs=0.03)  # near its ends the other side runs out
    assert neighbor_jump(spiral) < 1.8  # one turn is next to another
    assert neighbor_jump(gaussian(n, 3)) < 1.7
    assert neighbor_jump(gaussian(n, 64)) < 1.2
    assert neighbor_jump(power_law(2.0, n, 64)) < 1.7


def test_few_rows_that_are_drawn_on_a_line_are_no_clusters() -> None:
    lines = (torch.rand(32, 1, generator=torch.Generator().manual_seed(seed)) for seed in range(100))
    assert max(neighbor_jump(line) for line in lines) < 3


def test_rows_of_very_different_lengths_are_no_clusters() -> None:
    assert neighbor_jump(gaussian(1000, 64) * torch.exp(2 * gaussian(1000, 1, seed=1))) < 2.5  # of six magnitudes


@pytest.mark.parametrize("width", [1e-15, 1e-11, 1e-8, 1e-5])
def test_spots_of_any_width_are_clusters(width: float) -> None:
    spots = gaussian(10, 64).repeat(40, 1)
    assert neighbor_jump(spots + width * gaussian(400, 64, seed=1)) > 1e4


def test_duplicates_are_counted_whatever_their_place() -> None:
    z = gaussian(50, 4)
    copied = torch.cat([z, z[:10] + 1e-9, z[:5]])
    assert duplicate_rows(z) == 0
    assert duplicate_rows(copied) == pytest.approx(15 / 65)
    assert duplicate_rows(copied + 1e6) == pytest.approx(15 / 65)
    assert duplicate_rows(torch.full((20, 3), 0.1)) == pytest.approx(19 / 20)
    assert len(Cloud(copied).distinct) == 50
    assert near_duplicate_rows(copied) >= 20 / 65
    assert near_duplicate_rows(gaussian(100, 64)) == 0


@pytest.mark.parametrize("noise", [1e-8, 1e-7, 5e-7])
def test_copies_are_found_across_the_edges_of_any_grid(noise: float) -> None:
    z = gaussian(300, 768)
    copied = torch.cat([z, z + noise * gaussian(300, 768, seed=1)])
    assert first_copies(copied).tolist() == [*range(300)]
    assert duplicate_rows(copied[torch.randperm(600, generator=torch.Generator().manual_seed(0))]) == 0.5
    assert duplicate_rows(torch.cat([z, z + 1e-5 * gaussian(300, 768, seed=1)])) == 0


def test_copies_that_float32_rounded_move_no_metric_of_neighbors() -> None:
    z = gaussian(500, 64)
    rounded = torch.cat([z, (z * (1 + 1.2e-7 * gaussian(500, 64, seed=1).sign()))]).float()
    for metric in (relative_contrast, two_nn, mle_dimension):
        assert metric(rounded) == pytest.approx(metric(z), rel=1e-4)


def test_noise_as_small_as_a_copy_takes_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pairs, "_IN_VAIN", 1 << 20)
    spots = gaussian(4, 64).repeat(300, 1)
    assert len(first_copies(spots)) == 4
    assert len(first_copies(spots + 1e-9 * gaussian(1200, 64, seed=1))) == 4
    assert len(first_copies(spots + 2e-6 * gaussian(1200, 64, seed=1))) == 1200


def cloud() -> torch.Tensor:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((300, 3)) @ rng.standard_normal((3, 20))
    return torch.from_numpy(flat + 0.01 * rng.standard_normal((300, 20)))


def test_dimensions_are_those_of_scikit_dimension_and_dadapy() -> None:
    """Recorded, because scikit-dimension brings 200 MB of numba, and dadapy an own numpy and a compiler's work.

    On cloud().numpy() as x, version 0.5.0 of `skdim.id`: TwoNN(discard_fraction=0.1).fit(x).dimension_, the same of
    0.3, and MLE().fit(x, n_neighbors=10, comb="mle").dimension_. Of dadapy 0.3.4: Data(x).compute_id_2NN()[0] and
    compute_id_2NN(mu_fraction=0.7)[0], which differ from those by the rounding of its distances.
    """
    assert two_nn(cloud()) == pytest.approx(2.862813508989848, rel=1e-9)
    assert two_nn(cloud(), discard=0.3) == pytest.approx(2.733678917032286, rel=1e-9)
    assert mle_dimension(cloud()) == pytest.approx(3.141114055718502, rel=1e-9)
    assert two_nn(cloud()) == pytest.approx(2.8628135123371665, rel=1e-8)
    assert two_nn(cloud(), discard=0.3) == pytest.approx(2.7336789172734726, rel=1e-8)


def test_copies_do_not_move_the_dimension() -> None:
    z = torch.cat([cloud(), cloud()[:30]])
    assert two_nn(z) == pytest.approx(two_nn(cloud()), rel=1e-9)
    with pytest.raises(UserError, match="discarded share"):
        two_nn(z, discard=1.0)
    with pytest.raises(UserError, match="k is 1"):
        mle_dimension(z, k=1)


@pytest.mark.parametrize("z", [cloud(), torch.eye(3), torch.ones(5, 2)], ids=["cloud", "3 rows", "1 point"])
def test_one_search_gives_what_several_do(z: torch.Tensor) -> None:
    functions = (relative_contrast, two_nn, mle_dimension, hub_skewness, antihub_share)
    expected = {one.__name__: one(z) for one in functions}
    assert summarize_neighbors(z) == pytest.approx(expected, rel=1e-12)


def test_hubs_are_the_skewness_of_occurrences() -> None:
    z = power_law(1.0, 400, 32)
    u = normalize(z).numpy()
    index = NearestNeighbors(n_neighbors=11).fit(u).kneighbors(u)[1][:, 1:]
    count = np.bincount(index.ravel(), minlength=400)
    assert hub_skewness(z) == pytest.approx(float(skew(count)), rel=1e-6)
    assert antihub_share(z) == pytest.approx(float((count == 0).mean()))


def test_a_cone_has_hubs_that_its_spectrum_does_not_explain() -> None:
    z = offset(math.sqrt(0.1), n=1500, d=64)
    assert hub_skewness(z) > hub_skewness(gaussian_like(z)) + 2
    healthy = power_law(1.0, 1500, 64)
    assert hub_skewness(healthy) == pytest.approx(hub_skewness(gaussian_like(healthy)), rel=0.5)


def test_hubs_of_a_gallery_and_of_ties() -> None:
    gallery, queries = torch.eye(4), torch.eye(4)[[0, 0, 0, 1]]
    assert occurrences(gallery, k=1, queries=queries).tolist() == [3, 1, 0, 0]
    assert antihub_share(gallery, k=1, queries=queries) == 0.5
    assert abs(hub_skewness(torch.ones(500, 16))) < 3  # by order of the rows it would be 20
    with pytest.raises(UserError, match="one space"):
        hub_skewness(gallery, queries=torch.eye(3))


@pytest.mark.parametrize(("n", "d"), [(2000, 8), (30, 200)])
def test_gaussian_like_has_the_spectrum_and_no_mean(n: int, d: int) -> None:
    z = power_law(1.0, n, d) + 5.0
    like = gaussian_like(z)
    ratio = float(like.square().sum() / (z - z.mean(0)).square().sum())
    direction = torch.linalg.eigh((z - z.mean(0)).T @ (z - z.mean(0))).eigenvectors[:, -1]
    top = float((like @ direction).square().sum() / ((z - z.mean(0)) @ direction).square().sum())
    assert top == pytest.approx(ratio, rel=0.1 if n > d else 0.8)
    assert not torch.equal(like, gaussian_like(z, seed=1))


def test_sigreg_has_the_values_of_the_survey() -> None:
    draws = [gaussian(300, 8, seed) for seed in range(20)]
    assert sum(sigreg(z, standardized=False, slices=32) for z in draws) / 20 == pytest.approx(1.0525, abs=0.1)
    assert sum(sigreg(z, slices=32) for z in draws) / 20 == pytest.approx(0.52, abs=0.05)
    z = gaussian(500, 16)
    assert sigreg(torch.zeros(1000, 4)) == pytest.approx(402.05, abs=0.01)
    assert sigreg(z + 10.0) == pytest.approx(sigreg(z))
    assert sigreg(z * 0.5, standardized=False) > 20
    assert sigreg(z * (torch.arange(16) < 8)) > 20
    with pytest.raises(UserError, match="0 slices"):
        sigreg(z, slices=0)


def test_rows_that_lie_in_turn_with_clusters_do_not_hide_them() -> None:
    n = 2048
    z = gaussian(4, 64, seed=1)[torch.arange(n) % 4] + 0.02 * gaussian(n, 64)
    z[::4] = gaussian(n // 4, 64, seed=2)  # a quarter
    assert neighbor_jump(z) > 10
    assert neighbor_jump(z.roll(1, 0)) > 10


@pytest.mark.parametrize("k", [0, -1])
def test_no_neighbors_are_refused(k: int) -> None:
    with pytest.raises(UserError, match=f"k is {k}: pass 1 or more neighbors"):
        neighbor_agreement(gaussian(30, 4), k=k)
