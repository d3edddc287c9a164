from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fullrank.stats import merge_samples, reservoir, row_keys


@given(cuts=st.lists(st.integers(0, 50), max_size=6), size=st.integers(1, 60), swap=st.booleans())
def test_any_split_in_any_order_gives_the_same_sample(cuts: list[int], size: int, swap: bool) -> None:
    z = torch.arange(100.0).view(50, 2)
    whole = reservoir(z, size=size, seed=3)
    edges = [0, *sorted(cuts), 50]
    parts = [reservoir(z[a:b], size=size, start=a, seed=3) for a, b in pairwise(edges)]
    merged = parts[-1] if swap else parts[0]
    for part in parts[-2::-1] if swap else parts[1:]:
        merged = merge_samples(merged, part)
    assert torch.equal(merged.rows, whole.rows)
    assert torch.equal(merged.index, whole.index)


def test_every_row_is_as_likely_as_another() -> None:
    hits = torch.zeros(40)
    for seed in range(2000):
        hits[reservoir(torch.zeros(40, 1), size=10, seed=seed).index] += 1
    assert float((hits / 2000 - 0.25).abs().max()) < 5 * (0.25 * 0.75 / 2000) ** 0.5


def test_a_sample_of_more_than_there_is_holds_all() -> None:
    z = torch.randn(7, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(reservoir(z, size=100).rows, z)


def test_keys_depend_on_the_seed_and_do_not_repeat() -> None:
    index = torch.arange(1000)
    assert len({*row_keys(index, 0).tolist(), *row_keys(index, 1).tolist()}) == 2000


def test_samples_of_another_seed_do_not_merge() -> None:
    z = torch.zeros(3, 1)
    with pytest.raises(ValueError, match="different size or seed"):
        merge_samples(reservoir(z, size=2, seed=0), reservoir(z, size=2, seed=1, start=3))
