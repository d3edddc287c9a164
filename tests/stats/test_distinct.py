from __future__ import annotations

from functools import reduce

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank.stats import RunningDistinct, distinct_rows, merge_distinct, row_hashes

N = 100_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def numbered(n: int, base: int, dims: int) -> Tensor:
    """Different rows (n, dims) of digits 0 to base - 1."""
    return torch.stack([torch.arange(n) // base**place % base for place in range(dims)], 1)


NEAR = 1 + torch.rand(N, 4, generator=generator(), dtype=torch.float64) * 1e-4
HARD = {  # rows of many trailing zero bits, or that differ little: N different ones each
    "bits": numbered(N, 2, 17),
    "bits of 1 and 2": numbered(N, 2, 17) + 1,
    "digits": numbered(N, 10, 5),
    "multiples of 2^40": numbered(N, 2, 17).double() * 2.0**40,
    "one number": torch.arange(N)[:, None],
    "half floats": numbered(N, 317, 2).half() / 256,
    "bfloat16": numbered(N, 7, 6).bfloat16() / 8,
    "near a point in float32": NEAR.float().unique(dim=0),
    "near a point in float64": NEAR,
    "one column of many": torch.cat([torch.arange(N)[:, None].float(), torch.ones(N, 30)], 1),
}


@pytest.mark.parametrize("name", HARD)
def test_different_rows_have_different_hashes(name: str) -> None:
    z = HARD[name]
    assert len(z) > 0.6 * N
    for seed in range(3):
        assert len(np.unique(row_hashes(z, seed=seed))) == len(z)


@pytest.mark.parametrize("name", ["bits", "one number", "bfloat16", "near a point in float32"])
def test_hashes_are_uniform(name: str) -> None:
    """Every bit is 1 in half of the rows: their share is off by 6 standard errors at most."""
    bits = np.unpackbits(row_hashes(HARD[name]).view(np.uint8).reshape(-1, 8), axis=1)
    assert abs(bits.mean(0) - 0.5).max() < 6 * 0.5 / len(bits) ** 0.5


def test_equal_values_are_equal_in_any_dtype_place_and_sign_of_zero() -> None:
    z = torch.tensor([[1.5, -2.0, 0.0], [1.5, -2.0, -0.0]])
    first, second = row_hashes(z)
    assert first == second
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert row_hashes(z.to(dtype))[0] == first
    assert row_hashes(z.repeat(40_000, 1))[-1] == first
    assert len(set(row_hashes(torch.tensor([[1.0, 2.0], [2.0, 1.0], [0.0, 3.0], [-1.0, 2.0]])).tolist())) == 4
    assert row_hashes(z, seed=1)[0] != first


def test_any_split_merged_in_any_order_is_the_same() -> None:
    z = torch.randint(0, 40, (3000, 2), generator=generator()).float()  # about 1,350 different rows
    whole = distinct_rows(z, size=200)
    parts = [distinct_rows(z[a:b], size=200) for a, b in ((0, 0), (0, 7), (7, 1500), (1500, 3000))]
    for order in ((0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)):
        merged = reduce(merge_distinct, [parts[number] for number in order])
        assert merged.n == whole.n == 3000
        assert (merged.hashes == whole.hashes).all()
        assert np.array_equal(merged.counts, whole.counts)  # type: ignore[arg-type]
    running = RunningDistinct(size=200)
    for part in z.split(90):
        running.add(part)
    assert (running.result().hashes == whole.hashes).all()
    assert np.array_equal(running.result().counts, whole.counts)  # type: ignore[arg-type]


def test_it_is_exact_below_its_size() -> None:
    z = torch.randint(0, 9, (500, 2), generator=generator()).float()
    assert distinct_rows(z, size=82).count() == (len(z.unique(dim=0)), 0.0) == (81, 0.0)
    assert distinct_rows(z[:0]).count() == (0, 0)


@pytest.mark.parametrize("size", [2000, 500])
def test_the_use_of_the_rows_is_that_of_all_or_an_estimate_of_it(size: int) -> None:
    z = torch.randint(1000, (3000, 1), generator=generator())
    counts = z.unique(return_counts=True)[1].double()
    shares = counts / 3000
    lone, use = distinct_rows(z, size=size).use() or (0.0, 0.0)
    near = 1e-9 if size > 1000 else 0.2
    assert lone == pytest.approx(float((counts == 1).sum()) / 3000, rel=near)
    assert use == pytest.approx(float((-(shares * shares.log()).sum()).exp()) / len(counts), rel=near)


@pytest.mark.slow
@pytest.mark.parametrize("copies", ["none", "pairs", "one row"])
def test_the_estimate_has_the_error_it_states(copies: str) -> None:
    """100 seeds of the hash; mean and spread of the errors over the stated one are 0 and 1, to 4 standard errors."""
    different = torch.arange(20_000)
    extra = {"none": different[:0], "pairs": different, "one row": torch.zeros(20_000, dtype=torch.int64)}[copies]
    z = torch.cat([different, extra])[:, None]
    errors = []
    for seed in range(100):
        found, error = distinct_rows(z, size=1000, seed=seed).count()
        assert error == pytest.approx(20_000 / 1000**0.5, rel=0.2)
        errors.append((found - 20_000) / error)
    assert abs(np.mean(errors)) < 4 / 10
    assert np.std(errors) == pytest.approx(1, abs=4 / 200**0.5)


def test_only_hashes_of_one_kind_merge() -> None:
    z = torch.eye(3)
    with pytest.raises(ValueError, match="size or seed"):
        merge_distinct(distinct_rows(z, seed=0), distinct_rows(z, seed=1))
    with pytest.raises(ValueError, match="size or seed"):
        merge_distinct(distinct_rows(z, size=5), distinct_rows(z, size=6))
