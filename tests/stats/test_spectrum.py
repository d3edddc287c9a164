from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.stats import hill, moments, spectrum


def cloud(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("centered", [True, False])
@pytest.mark.parametrize(("n", "d"), [(100, 8), (8, 100), (8, 8), (1, 5), (2, 1)])
def test_both_sides_and_the_moments_give_numpys_eigenvalues(n: int, d: int, centered: bool) -> None:
    z = cloud(n, d) + 0.5
    rows = z - z.mean(0) if centered else z
    expected = torch.linalg.svdvals(rows).square() / n
    values = spectrum(z, centered=centered)
    assert values.shape == (min(n, d),)
    torch.testing.assert_close(values, expected, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(spectrum(moments(z), centered=centered)[: min(n, d)], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("order", [0, 0.25, 0.5, 1, 2, 5, math.inf])
def test_k_equal_eigenvalues_count_as_k_at_every_order(order: float) -> None:
    spectrum_of_rank_3 = torch.tensor([7.0, 7.0, 7.0, 0.0, 0.0])
    assert float(hill(spectrum_of_rank_3, order)) == pytest.approx(3.0)


@pytest.mark.parametrize("order", [0, 0.5, 1, 2, math.inf])
def test_a_zero_spectrum_is_one_point(order: float) -> None:
    assert float(hill(torch.zeros(4), order)) == 1.0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=12), st.floats(1e-3, 1e3))
def test_hill_numbers_fall_with_the_order_and_ignore_scale(values: list[float], scale: float) -> None:
    eigenvalues = torch.tensor(values, dtype=torch.float64)
    profile = [float(hill(eigenvalues, order)) for order in (0, 0.5, 1, 2, 8, math.inf)]
    assert all(low <= high * (1 + 1e-9) for high, low in itertools.pairwise(profile))
    assert profile[-1] >= 1 - 1e-9
    assert profile[0] <= len(values)
    scaled = [float(hill(eigenvalues * scale, order)) for order in (0, 0.5, 1, 2, 8, math.inf)]
    assert scaled == pytest.approx(profile, rel=1e-9)


def test_the_orders_are_the_named_ranks() -> None:
    eigenvalues = spectrum(cloud(60, 10) * torch.arange(1, 11))
    p = eigenvalues / eigenvalues.sum()
    assert float(hill(eigenvalues, 1)) == pytest.approx(float(torch.exp(-(p * p.log()).sum())))
    assert float(hill(eigenvalues, 2)) == pytest.approx(float(1 / p.square().sum()))
    assert float(hill(eigenvalues, math.inf)) == pytest.approx(float(1 / p.max()))
    assert float(hill(eigenvalues, 0)) == 10


def test_the_order_one_is_the_limit() -> None:
    eigenvalues = torch.tensor([5.0, 2.0, 1.0, 0.1])
    at_one = float(hill(eigenvalues, 1))
    for order in (1 - 1e-4, 1 + 1e-4, 1 - 1.1e-6, 1 + 1.1e-6, 1 + 1e-9):
        assert float(hill(eigenvalues, order)) == pytest.approx(at_one, rel=2e-4)


def test_rank_ignores_rounding() -> None:
    z = cloud(200, 3) @ cloud(3, 40, seed=1)
    assert float(hill(spectrum(z), 0)) == 3
