"""Single rows do not own the numbers: zeros, exploded and near-empty rows are listed, and the rest is without them."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.stats import Moments, moments, normalize
from fullrank.stats.sketch import Sketch, load_sketch, merge_sketches, sketch
from fullrank.stats.sketch.kept import VERSION


def gaussian(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def without(z: Tensor, *rows: int) -> Tensor:
    return z[[row for row in range(len(z)) if row not in rows]]


def close(a: Moments, b: Moments, rtol: float = 1e-9) -> None:
    assert a.n == b.n
    for ours, theirs in zip(a.spectra, b.spectra, strict=True):
        count = min(len(ours), len(theirs))
        torch.testing.assert_close(ours[-count:], theirs[-count:], rtol=rtol, atol=rtol * float(theirs.max()))
    torch.testing.assert_close(a.variance, b.variance, rtol=rtol, atol=rtol * float(b.variance.max()))


SHAPES = {"fewer rows than dimensions": (600, 700), "more rows": (600, 32), "more than the sample": (900, 16)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [100.0, 1e6])
def test_an_exploded_row_is_named_and_left_out(shape: str, factor: float) -> None:
    z = gaussian(*SHAPES[shape])
    z[417] *= factor
    made = sketch(z.split(100), sample=800)
    assert made.heavy.index.tolist() == [417]
    assert float(made.heavy.norms) == pytest.approx(float(z[417].norm()))
    assert float(made.heavy.share) == pytest.approx(float(z[417].square().sum() / z.square().sum()))
    assert (made.left_out, made.n) == (1, len(z) - 1)
    assert 417 not in made.sample.index
    close(made.total, moments(without(z, 417)))
    close(made.total_unit, moments(normalize(without(z, 417))))


@pytest.mark.parametrize("shape", SHAPES)
def test_rows_of_zeros_and_near_empty_rows_are_named_and_left_out(shape: str) -> None:
    z = gaussian(*SHAPES[shape])
    z[[30, 4, 501]] = 0
    z[77] *= 1e-7
    made = sketch(z.split(100), sample=800)
    assert made.zero_index.tolist() == [4, 30, 501]
    assert made.light.index.tolist() == [77]
    assert (made.zero_rows, made.left_out, made.n, made.distinct.n) == (3, 4, len(z) - 4, len(z) - 3)
    assert not torch.isin(made.sample.index, torch.tensor([4, 30, 77, 501])).any()
    close(made.total, moments(without(z, 4, 30, 77, 501)))


def test_a_row_that_goes_out_of_the_largest_enters_the_moments() -> None:
    z = gaussian(500, 8) * torch.linspace(1, 2, 500)[:, None]  # each chunk brings larger rows
    made = sketch(z.split(50))
    assert made.left_out == 0
    close(made.total, moments(z))
    close(made.total_unit, moments(normalize(z)))


def test_views_of_a_sample_are_left_out_together() -> None:
    z = torch.stack([gaussian(300, 16), gaussian(300, 16, seed=1)])
    z[1, 12] *= 1000
    z[0, 13] *= 1e-6
    z[1, 14] = 0  # of one view: near-empty
    z[:, 15] = 0
    made = sketch([z])
    assert made.heavy.index.tolist() == [12]
    assert made.light.index.tolist() == [14, 13]
    assert made.zero_index.tolist() == [15]
    rest = without(z.transpose(0, 1), 12, 13, 14, 15).transpose(0, 1)
    assert made.n == 2 * 296
    close(made.total, moments(rest.flatten(0, 1)))


NORMS = {
    "log-normal, as of items by popularity": lambda n, seed: gaussian(n, 1, seed).exp(),
    "wide log-normal": lambda n, seed: (1.5 * gaussian(n, 1, seed)).exp(),
    "Pareto 3, as of words": lambda n, seed: (1 - gaussian(n, 1, seed).erf().abs() * 0.999999).pow(-1 / 3),
    "Pareto 2": lambda n, seed: (1 - gaussian(n, 1, seed).erf().abs() * 0.999999).pow(-1 / 2),
    "two lengths": lambda n, seed: 1 + 11.0 * (gaussian(n, 1, seed) > 0.5),
    "one length": lambda n, seed: torch.ones(n, 1, dtype=torch.float64),
    "down to nothing": lambda n, seed: gaussian(n, 1, seed).erf().abs().pow(3),
}


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("n", [40, 600, 5000])
def test_heavy_tails_are_not_trimmed(name: str, n: int) -> None:
    for seed in range(10):
        made = sketch([normalize(gaussian(n, 4, seed + 100)) * NORMS[name](n, seed)])
        assert (made.heavy.index.tolist(), made.light.index.tolist()) == ([], []), seed


@pytest.mark.slow
def test_features_of_a_relu_are_not_trimmed() -> None:
    for seed in range(20):
        features = (gaussian(2000, 32, seed) @ gaussian(32, 64, seed + 1) - 8).relu()  # sparse, of any norm
        made = sketch([features])
        assert len(made.heavy.index) + len(made.light.index) == 0


def test_many_exploded_rows_are_a_part_of_the_data() -> None:
    z = gaussian(2000, 8)
    z[:40] *= 1e4
    assert sketch([z]).left_out == 0
    assert sketch([z[20:]]).heavy.index.sort().values.tolist() == [*range(20)]
    assert sketch([z[30:50]]).left_out == 0  # half of them


def test_a_collapse_to_zeros_is_still_seen() -> None:
    made = sketch([torch.zeros(50, 4)])
    assert (made.n, made.left_out, made.zero_rows) == (50, 0, 50)
    assert made.total.variance.tolist() == made.total.center.tolist() == [0, 0, 0, 0]
    assert made.sample.rows.shape == (50, 1, 4)
    z = gaussian(50, 4)
    z[:25] = 0
    half = sketch([z])
    assert (half.n, half.left_out) == (50, 0)
    close(half.total, moments(z))
    assert torch.equal(half.sample.rows[:, 0], z)
    assert half.distinct.count() == (26, 0.0)


def broken(n: int, d: int) -> Tensor:
    z = gaussian(n, d)
    z[5] *= 1e5
    z[n - 3] *= 300
    z[[7, 90, n - 1]] = 0
    z[50] *= 1e-6
    return z


def same(a: Sketch, b: Sketch) -> None:
    assert (a.n, a.left_out, a.zero_rows) == (b.n, b.left_out, b.zero_rows)
    for end in ("heavy", "light"):
        assert getattr(a, end).index.tolist() == getattr(b, end).index.tolist()
        torch.testing.assert_close(getattr(a, end).share, getattr(b, end).share)
    assert a.zero_index.tolist() == b.zero_index.tolist()
    assert torch.equal(a.sample.index, b.sample.index)
    assert torch.equal(a.sample.rows, b.sample.rows)
    assert torch.equal(a.sample_groups, b.sample_groups)
    assert a.distinct.count() == b.distinct.count()
    for ours, theirs in zip((*a.raw, *a.unit), (*b.raw, *b.unit), strict=True):
        close(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "sample"), [(400, 500, 8192), (400, 200, 8192), (400, 500, 100), (400, 6, 50)])
def test_parts_in_any_order_are_the_whole(n: int, d: int, sample: int) -> None:
    z = broken(n, d)
    whole = sketch([z], sample=sample)
    assert whole.heavy.index.tolist() == [5, n - 3]
    parts = [sketch(z[a:b].split(64), start=a, sample=sample) for a, b in ((0, 6), (6, 120), (120, 390), (390, n))]
    for order in ((0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)):
        same(reduce(merge_sketches, [parts[number] for number in order]), whole)
    same(merge_sketches(reduce(merge_sketches, parts[2:]), reduce(merge_sketches, parts[:2])), whole)


def test_few_rows_make_no_matrix_of_dimensions() -> None:
    made = sketch([gaussian(30, 5000)])
    assert made.total.scatter.shape == made.total_unit.scatter.shape == (31, 31)
    assert made.total.dims == 5000
    assert sketch([gaussian(30, 30)]).total.scatter.shape == (30, 30)


DATA = Path(__file__).parent / "data"  # of version 0.1.0, of the rows below, the second with sample=10


def test_sketches_of_version_0_1_0_are_read_and_merge(tmp_path: Path) -> None:
    z = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    z[7] = 0
    z[11] *= 1e4
    more = gaussian(60, 3, seed=5).float()
    every, some = (load_sketch(DATA / f"sketch-0.1.0-{name}.npz") for name in ("all-rows", "sampled"))
    same(every, sketch([z]))  # its sample holds all rows, so that it is made anew
    assert every.heavy.index.tolist() == [11]
    same(merge_sketches(every, sketch([more], start=40)), sketch([z, more]))
    assert (some.n, some.zero_rows, some.left_out, some.directed) == (40, 1, 0, False)  # only moments of all are left
    close(some.total, moments(z))
    both = merge_sketches(some, sketch([more], start=40, sample=10))
    close(both.total, moments(torch.cat([z, more])))
    both.save(tmp_path / "sketch.npz")
    close(load_sketch(tmp_path / "sketch.npz").total, both.total)


@pytest.mark.parametrize("d", [500, 6])
def test_what_was_left_out_survives_a_file(d: int, tmp_path: Path) -> None:
    made = sketch([broken(400, d)], sample=450)
    made.save(tmp_path / "sketch.npz")
    same(load_sketch(tmp_path / "sketch.npz"), made)
    with np.load(tmp_path / "sketch.npz") as file:
        newer = {name: file[name] for name in file.files} | {"version": np.array(VERSION + 1)}
    np.savez(tmp_path / "newer.npz", **newer)
    with pytest.raises(UserError, match="a newer version of FullRank"):
        load_sketch(tmp_path / "newer.npz")


def test_a_file_with_a_matrix_for_each_kind_is_read(tmp_path: Path) -> None:
    """As they were written before two kinds shared one: version 2."""
    made = sketch([broken(400, 6)], sample=450)
    made.save(tmp_path / "sketch.npz")
    with np.load(tmp_path / "sketch.npz") as file:
        arrays = {name: file[name] for name in file.files} | {"version": np.array(2)}
    counts, both = arrays.pop("counts"), arrays.pop("triangles")
    for kind, lower in (("raw", np.tril(both[:, 1:])), ("unit", np.triu(both[:, :-1]).swapaxes(1, 2))):
        diagonal = lower * np.eye(6)
        arrays |= {f"{kind}_n": counts, f"{kind}_scatter": lower + lower.swapaxes(1, 2) - diagonal}
    np.savez(tmp_path / "former.npz", **arrays)
    same(load_sketch(tmp_path / "former.npz"), made)
