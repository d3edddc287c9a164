from __future__ import annotations

import weakref

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fullrank.stats import Moments, RunningMoments, hill, merge, moments, spectrum


def cloud(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def assert_equal(a: Moments, b: Moments) -> None:
    assert a.n == b.n
    torch.testing.assert_close(a.mean, b.mean, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(a.scatter, b.scatter, rtol=1e-11, atol=1e-11)
    torch.testing.assert_close(a.cubic, b.cubic, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(a.quartic, b.quartic, rtol=1e-10, atol=1e-10)


def test_covariance_is_numpys_with_divisor_n() -> None:
    z = cloud(50, 7)
    torch.testing.assert_close(moments(z).covariance, torch.cov(z.T, correction=0))
    torch.testing.assert_close(moments(z).second_moment, z.T @ z / 50)


def test_cubic_and_quartic_are_sums_over_rows() -> None:
    z = cloud(9, 4) + 2.0
    rows = z - z.mean(0)
    cubic = sum(row.norm() ** 2 * row for row in rows)
    assert isinstance(cubic, torch.Tensor)
    torch.testing.assert_close(moments(z).cubic, cubic)
    assert float(moments(z).quartic) == pytest.approx(sum(float(row.norm()) ** 4 for row in rows))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_any_split_merged_in_any_order_is_the_whole(sizes: list[int], random: object) -> None:
    z = cloud(sum(sizes), 4, seed=len(sizes))
    parts = [moments(part) for part in z.split(sizes)]
    random.shuffle(parts)  # type: ignore[attr-defined]
    whole = parts[0]
    for part in parts[1:]:
        whole = merge(whole, part)
    assert_equal(whole, moments(z))


def test_add_streams() -> None:
    z = cloud(30, 5)
    streamed = moments(z[:0])
    for start in range(0, 30, 7):
        streamed = streamed.add(z[start : start + 7])
    assert_equal(streamed, moments(z))


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_running_moments_of_any_batches_are_those_of_the_whole(drift: float) -> None:
    z = cloud(50, 5) + torch.linspace(0, drift, 50)[:, None] * 30
    running = RunningMoments(5)
    for batch in z.split([0, 1, 20, 1, 28]):
        running.add(batch)
    assert_equal(running.result(), moments(z))
    before = running.result()
    running.add(z)
    assert_equal(before, moments(z))  # a result stays what it was
    assert running.result().n == 100


def test_a_large_mean_costs_no_rank() -> None:
    """Running float32 sums answer 8.8 instead of 10.6 at an offset of 1000 (design.md)."""
    z = (cloud(2000, 16) * torch.arange(1, 17, dtype=torch.float64) ** -0.5).float()
    moved = z.double() + 1000.0
    streamed = moments(moved[:100])
    for start in range(100, 2000, 100):
        streamed = streamed.add(moved[start : start + 100])
    expected = hill(spectrum(z), 1)
    torch.testing.assert_close(hill(spectrum(streamed), 1), expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.uint8])
def test_any_dtype_ends_in_float64(dtype: torch.dtype) -> None:
    z = (cloud(8, 3) * 4).abs().to(dtype)
    assert_equal(moments(z), moments(z.double()))
    assert moments(z).scatter.dtype == torch.float64


def test_one_row_and_no_row() -> None:
    one = moments(torch.ones(1, 3))
    assert (one.n, float(one.covariance.abs().sum())) == (1, 0.0)
    assert_equal(merge(moments(torch.ones(0, 3)), one), one)
    assert merge(moments(torch.ones(0, 3)), moments(torch.ones(0, 3))).n == 0


def test_moments_are_freed_by_themselves() -> None:
    """Of 8,192 dimensions each has half a gigabyte, which no collector of cycles should have to find."""
    some = moments(torch.randn(9, 4, generator=torch.Generator().manual_seed(0)))
    assert some.settled is some
    gone = weakref.ref(some)
    del some
    assert gone() is None
