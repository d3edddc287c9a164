from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.runs import write_npz
from fullrank.stats import Moments, moments, normalize
from fullrank.stats.sketch import Sketch, group_count, load_sketch, merge_sketches, sketch


def rows(n: int = 600, d: int = 12, views: int = 1, offset: float = 1000.0) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(views, n, d, generator=generator, dtype=torch.float64) * torch.arange(1, d + 1) ** -0.5
    return z + offset


def close(a: Moments, b: Moments, rtol: float = 1e-9) -> None:
    assert a.n == b.n
    for ours, theirs in ((a.mean, b.mean), (a.scatter, b.scatter), (a.cubic, b.cubic), (a.quartic, b.quartic)):
        torch.testing.assert_close(ours, theirs, rtol=rtol, atol=rtol * float(theirs.abs().max()))


def same(a: Sketch, b: Sketch) -> None:
    for ours, theirs in zip((*a.raw, *a.unit), (*b.raw, *b.unit), strict=True):
        close(ours, theirs)
    assert torch.equal(a.sample.rows, b.sample.rows)
    assert torch.equal(a.sample.index, b.sample.index)
    assert torch.equal(a.sample_groups, b.sample_groups)
    assert a.distinct.n == b.distinct.n
    assert a.distinct.seed == b.distinct.seed
    assert a.distinct.hashes.tolist() == b.distinct.hashes.tolist()
    assert a.distinct.use() == b.distinct.use()
    assert a.zero_rows == b.zero_rows


def test_it_is_the_moments_of_all_rows_and_of_all_rows_at_length_one() -> None:
    z = rows(offset=3.0)
    made = sketch(z[0].split(70))
    close(made.total, moments(z[0]))
    close(made.total_unit, moments(normalize(z[0])))
    assert made.n == 600


def test_any_split_merged_in_any_order_is_the_same() -> None:
    z = rows()[0]
    whole = sketch([z], sample=50)
    parts = [sketch(z[a:b].split(64), start=a, sample=50) for a, b in ((0, 1), (1, 333), (333, 480), (480, 600))]
    for order in ((0, 1, 2, 3), (3, 1, 0, 2), (2, 3, 1, 0)):
        same(reduce(merge_sketches, [parts[number] for number in order]), whole)


def test_groups_are_of_similar_size_and_hold_whole_samples() -> None:
    made = sketch([rows(views=2)])
    sizes = [group.n for group in made.raw]
    assert len(sizes) == 20
    assert sum(sizes) == 1200
    assert all(size % 2 == 0 for size in sizes)
    assert min(sizes) > 20
    assert made.sample.rows.shape == (600, 2, 12)


def test_units_are_never_divided() -> None:
    z = rows(n=400)[0]
    donors = torch.arange(400) % 5
    sizes = sorted(group.n for group in sketch(z.split(33), units=donors).raw)
    assert sizes == [0] * 15 + [80] * 5
    wide = torch.randn(400, 300)
    assert sorted(group.n for group in sketch([wide], units=donors).raw) == [0] * 5 + [80] * 5
    assert sorted(group.n for group in sketch([wide], units=torch.arange(400) % 40).raw) == [40] * 10
    made = sketch(z.split(33), units=donors, sample=100)
    for donor in range(5):
        assert len(made.sample_groups[donors[made.sample.index] == donor].unique()) == 1


def test_units_are_counted_in_all_rows_and_not_in_the_sample(tmp_path: Path) -> None:
    z, units = rows(n=900, d=4)[0], torch.arange(900) // 2
    z[100:200] = 0  # 50 units that are left out as a whole
    parts = [sketch(z[a:b].split(90), start=a, units=units, sample=40) for a, b in ((0, 301), (301, 640), (640, 900))]
    for made in (sketch(z.split(7), units=units, sample=40), reduce(merge_sketches, parts[::-1])):
        assert made.units == 400
        made.save(tmp_path / "sketch.npz")
        assert load_sketch(tmp_path / "sketch.npz").units == 400
    assert sketch([z], sample=40).units is None
    assert sketch([z], units=torch.arange(900), sample=40).units is None
    z[:500] = 0  # more than half, so that they stay
    assert sketch([z], units=units, sample=4000).units == 450


def test_a_file_without_units_tells_those_of_its_sample(tmp_path: Path) -> None:
    made = sketch([rows()[0]], units=torch.arange(600) // 2, sample=40)
    made.save(tmp_path / "sketch.npz")
    with np.load(tmp_path / "sketch.npz") as arrays:
        write_npz(tmp_path / "old.npz", {name: arrays[name] for name in arrays if name != "met"})
    found = load_sketch(tmp_path / "old.npz")
    assert found.units in (None, len(made.sample_units.unique()))
    same(found, made)


def test_copies_are_counted_among_all_rows_and_not_in_the_sample() -> None:
    z = torch.randn(20_000, 4, generator=torch.Generator().manual_seed(0))
    z[10_000:10_600] = z[:600]  # the sample of 8,192 holds both of a pair in one case of six
    assert sketch(z.split(999)).distinct.count() == (19_400, 0.0)
    assert sketch([torch.stack([z[:5], torch.ones(5, 4)])]).distinct.count() == (5, 0.0)  # of views, the first


def test_it_survives_a_file(tmp_path: Path) -> None:
    z = rows()[0]
    z[3] = 0
    made = sketch([z], sample=40)
    made.save(tmp_path / "sketch.npz")
    same(load_sketch(tmp_path / "sketch.npz"), made)
    assert made.zero_rows == 1


def test_a_file_that_is_no_sketch_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "sketch.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"sketch\.npz is not a sketch"):
        load_sketch(tmp_path / "sketch.npz")


@pytest.mark.parametrize(("value", "kind"), [(float("nan"), "NaN"), (float("inf"), "infinity")])
def test_a_value_that_is_not_finite_is_named_with_its_row(value: float, kind: str) -> None:
    z = rows()[0]
    z[417, 3] = value
    with pytest.raises(UserError, match=f"Row 417 contains {kind}"):
        sketch(z.split(100))


def test_odd_input_is_an_error() -> None:
    with pytest.raises(UserError, match="no embedding"):
        sketch([])
    with pytest.raises(UserError, match="Row 2 has 4 dimensions"):
        sketch([torch.ones(2, 3), torch.ones(2, 4)])
    with pytest.raises(UserError, match="3 and 4 dimensions"):
        merge_sketches(sketch([torch.ones(2, 3)]), sketch([torch.ones(2, 4)], start=2))


def test_half_precision_and_one_row_work() -> None:
    assert sketch([torch.ones(1, 3, dtype=torch.bfloat16)]).total.n == 1
    assert group_count(64) == 20
