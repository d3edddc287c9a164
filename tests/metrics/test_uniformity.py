"""W2 uniformity, Wang-Isola uniformity and alignment: closed forms and the five properties of Fang et al."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from scipy.special import hyp0f1
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics import alignment, uniformity, w2_uniformity
from fullrank.stats import hill, moments, normalize, spectrum
from tests.metrics.clouds import gaussian


def alive(n: int, dims: int, k: int, seed: int = 0) -> Tensor:
    """Uniform on the sphere of k of the dimensions, zero in the others."""
    return torch.cat([gaussian(n, k, seed), gaussian(n, dims - k) * 0], dim=1)


def test_w2_is_the_bures_distance_and_a_hill_number() -> None:
    u = normalize(gaussian(100, 16) * torch.linspace(0.1, 2, 16) + 0.5)
    mean, eigenvalues = u.mean(0).square().sum(), spectrum(u)
    published = (mean + 1 + eigenvalues.sum() - 2 / 4 * eigenvalues.sqrt().sum()).sqrt()
    from_roots = (mean + (eigenvalues.sqrt() - 1 / 4).square().sum()).sqrt()
    from_hill = (2 - 2 * ((1 - mean) * hill(eigenvalues, 0.5) / 16).sqrt()).sqrt()
    for form in (published, from_roots, from_hill):
        assert w2_uniformity(u * 7) == pytest.approx(float(form), abs=1e-12)


@pytest.mark.parametrize("dead", [0.25, 0.5, 0.75])
def test_w2_check_08_a_sphere_with_dead_dimensions(dead: float) -> None:
    z = alive(5000, 32, round(32 * (1 - dead)))
    assert w2_uniformity(z) == pytest.approx(math.sqrt(2 - 2 * math.sqrt(1 - dead)), abs=2e-3)


@pytest.mark.parametrize(
    ("n", "m", "floor"),
    [(512, 256, 0.367), (256, 256, 0.550), (1000, 256, 0.257), (512, 128, 0.254), (2048, 64, 0.089)],
)
def test_w2_check_09_the_marchenko_pastur_floor(n: int, m: int, floor: float) -> None:
    assert w2_uniformity(gaussian(n, m)) == pytest.approx(floor, rel=0.03)


def test_w2_check_09_few_rows_attain_the_rank_bound_at_the_simplex() -> None:
    simplex = torch.eye(64, 256) - torch.eye(64, 256).mean(0)
    assert w2_uniformity(simplex) == pytest.approx(math.sqrt(2 - 2 * math.sqrt(63 / 256)))


@pytest.mark.parametrize(("shift", "expected"), [(0.5, 0.472), (1.0, 0.772)])
def test_w2_of_a_shifted_gaussian(shift: float, expected: float) -> None:
    assert w2_uniformity(gaussian(5000, 256) + shift) == pytest.approx(expected, abs=5e-3)


def test_moments_of_raw_rows_are_refused() -> None:
    with pytest.raises(UserError, match="rows of length 1"):
        w2_uniformity(moments(gaussian(20, 4)))


@pytest.mark.parametrize("k", [2, 8, 64])
def test_uniformity_of_the_sphere(k: int) -> None:
    assert uniformity(gaussian(3000, k)) == pytest.approx(-4 + math.log(hyp0f1(k / 2, 4)), abs=5e-3)


def test_uniformity_is_the_mean_over_pairs_and_takes_t() -> None:
    z = gaussian(30, 6) + 0.5
    distances = torch.pdist(normalize(z)).square()
    for t in (1.0, 2.0, 5.0):
        assert uniformity(z, t) == pytest.approx(float((-t * distances).exp().mean().log()))


def test_alignment_is_two_minus_two_cosines() -> None:
    a, b = gaussian(50, 8), gaussian(50, 8, seed=1)
    cosine = torch.nn.functional.cosine_similarity(a, b).mean()
    assert alignment(a, 3 * b) == pytest.approx(2 - 2 * float(cosine))
    assert alignment(a, -a) == pytest.approx(4)
    assert alignment(a, a) == 0
    assert alignment(torch.ones(9, 4), torch.full((9, 4), 2.0)) == pytest.approx(0, abs=1e-15)  # collapse is perfect
    with pytest.raises(UserError, match="equal shape"):
        alignment(a, b[:, :4])


@pytest.mark.parametrize("metric", [w2_uniformity, uniformity])
def test_permuted_and_scaled_samples_change_nothing(metric: Callable[[Tensor], float]) -> None:
    z = gaussian(40, 8) + 0.2
    scales = torch.rand(40, 1, generator=torch.Generator().manual_seed(0)).double() + 0.1
    assert metric(z.flip(0)) == pytest.approx(metric(z), abs=1e-12)
    assert metric(z * scales) == pytest.approx(metric(z), abs=1e-12)


@pytest.mark.parametrize("copies", [2, 3, 10])
def test_cloned_samples_change_uniformity_only(copies: int) -> None:
    z, n = gaussian(40, 8), 40
    clones = z.repeat(copies, 1)
    kernels = math.exp(uniformity(z)) * n * (n - 1) / 2
    expected = (copies**2 * kernels + n * copies * (copies - 1) / 2) / (copies * n * (copies * n - 1) / 2)
    assert w2_uniformity(clones) == pytest.approx(w2_uniformity(z), abs=1e-12)
    assert uniformity(clones) == pytest.approx(math.log(expected))
    assert uniformity(clones) > uniformity(z)


@pytest.mark.parametrize("extra", [1, 8, 16, 160])
def test_zero_features_are_seen_by_w2_only(extra: int) -> None:
    z = gaussian(200, 16)
    padded = torch.nn.functional.pad(z, (0, extra))
    expected = math.sqrt(2 - (2 - w2_uniformity(z) ** 2) * math.sqrt(16 / (16 + extra)))
    assert w2_uniformity(padded) == pytest.approx(expected, abs=1e-12)
    assert w2_uniformity(padded) > w2_uniformity(z)
    assert uniformity(padded) == pytest.approx(uniformity(z), abs=1e-12)


def test_cloned_features_are_seen_by_w2_only() -> None:
    """Rows are scaled to length 1 after cloning, so a clone costs W2 what as many zero features cost."""
    z = gaussian(200, 16)
    cloned = w2_uniformity(z.repeat(1, 2))
    assert cloned == pytest.approx(w2_uniformity(torch.nn.functional.pad(z, (0, 16))), abs=1e-12)
    assert cloned > w2_uniformity(z)
    assert uniformity(z.repeat(1, 2)) == pytest.approx(uniformity(z), abs=1e-12)


@pytest.mark.parametrize("z", [gaussian(1100, 8), gaussian(1100, 8) + 5, 1 + 1e-3 * gaussian(1100, 8)])
def test_uniformity_of_many_rows_is_exact_to_eight_digits(z: Tensor) -> None:
    """Above 1,024 rows pairs are taken in float32, about the mean, and summed in float64."""
    expected = math.log(float((-2 * torch.pdist(normalize(z)).square()).exp().mean()))
    assert uniformity(z) == pytest.approx(expected, abs=3e-8)
    assert uniformity(torch.ones(1100, 4)) == 0
