"""What a cloud shares between metrics is what each would compute alone, and is computed once."""

from __future__ import annotations

import gc
import math
import weakref
from importlib import import_module

import pytest
import torch
from torch import Tensor

from fullrank.metrics import Cloud, _scatter, bimodality, coherence, dead_dimensions, modality_gap, summarize
from fullrank.metrics._owners import without_owners
from fullrank.metrics._pairs import Distances, first_copies
from fullrank.metrics.head import principal
from fullrank.metrics.measure import of_moments
from fullrank.metrics.modality_gap import GAP_DISTANCE
from fullrank.stats import normalize, products, smaller_gram, spectrum
from fullrank.stats.sketch import sketch
from tests.metrics.clouds import gaussian, power_law

WIDE = {
    "isotropic": gaussian(40, 200),
    "square": gaussian(60, 60),
    "cone": gaussian(40, 200) + 1e4,
    "tight": 1 + 1e-6 * gaussian(40, 200),
    "exploded row": torch.cat([gaussian(40, 200), 1e8 * gaussian(1, 200)]),
    "zero rows": torch.cat([gaussian(40, 200), torch.zeros(3, 200)]),
    "copies": gaussian(20, 200).repeat(3, 1),
}


@pytest.mark.parametrize("z", WIDE.values(), ids=WIDE.keys())
def test_distances_and_spectra_from_one_gram_matrix_are_those_of_the_rows(z: Tensor) -> None:
    cloud = Cloud(z)
    x, u = cloud.rows, normalize(cloud.rows)
    torch.testing.assert_close(cloud.unit, u, rtol=1e-14, atol=0.0)
    for found, rows in ((cloud.apart, x[first_copies(x)]), (cloud.unit_apart, u)):
        direct = torch.pdist(rows).square()
        spread = (rows - rows.mean(0)).square().sum(1).mean()
        torch.testing.assert_close(
            found.pairs().square().sort().values, direct.sort().values, rtol=1e-9, atol=1e-9 * float(spread)
        )
    for values, rows in ((cloud.spectrum, x), (cloud.unit_spectrum, u)):
        expected = torch.linalg.svdvals(rows - rows.mean(0)).square() / len(rows)
        torch.testing.assert_close(values, expected, rtol=1e-7, atol=1e-12 * float(expected[0]))
    expected = torch.linalg.svdvals(x).square() / len(x)
    torch.testing.assert_close(cloud.uncentered, expected, rtol=1e-9, atol=1e-12 * float(expected[0]))


def test_a_row_of_few_rows_takes_one_matrix_of_inner_products(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, ...]] = []

    def counted(x: Tensor) -> Tensor:
        taken.append((*x.shape,))
        return products(x)

    for module in ("_scatter", "_pairs", "uniformity"):
        monkeypatch.setattr(import_module(f"fullrank.metrics.{module}"), "products", counted)
    monkeypatch.setattr(import_module("fullrank.stats.spectrum"), "products", counted)
    summarize(gaussian(30, 500))
    assert taken == [(30, 500)]


def test_what_two_clouds_share_is_not_that_of_a_former_partner() -> None:
    """As of fixed images whose texts are embedded anew: the next cloud lay where the one before it had lain."""
    images, texts = Cloud(gaussian(20, 8)), gaussian(20, 8, seed=1)
    found = [GAP_DISTANCE.function(images, Cloud(texts + shift)) for shift in range(8)]
    assert found == [modality_gap(images.given, texts + shift).distance for shift in range(8)]


def test_what_two_clouds_share_is_computed_once_and_keeps_neither() -> None:
    images, texts, taken = Cloud(gaussian(20, 8)), Cloud(gaussian(20, 8, seed=1)), []

    def counted(one: Cloud, other: Cloud) -> int:
        taken.append(other.n)
        return len(taken)

    assert [images.between(texts, counted) for _ in range(3)] == [1, 1, 1]
    kept = weakref.ref(texts)
    del texts
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("unit", [1e-3, 0.1, 1.0, 10.0, 1e3])
def test_few_rows_are_judged_alike_in_any_unit(unit: float) -> None:
    """Dimensions 0 to 19 vary for row 5 alone, which is left out of them, as it is of many rows."""
    z = gaussian(100, 256)
    z[:, :20] = 0
    z[5, :20] = gaussian(1, 20, seed=1)[0].abs() + 1
    found = of_moments(sketch([unit * z]))
    assert (found["dead_dimensions"].value, found["duplicate_dimensions"].value) == (20 / 256, 0)
    assert found["dead_dimensions"].value == dead_dimensions(unit * z)
    healthy = unit * normalize(gaussian(40, 768))
    made = sketch([healthy])
    some = made.sample.rows.flatten(0, 1)
    for cloud in (Cloud(made.total, rows=some, some=some), Cloud(made.total, rows=some), Cloud(healthy)):
        assert without_owners(cloud) is cloud


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(3, 7), (1500, 40), (1, 1), (2, 0)])
def test_half_of_the_operations_give_the_whole_product(shape: tuple[int, int], dtype: torch.dtype) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=dtype)
    for rows in (x, x.T.contiguous().T, x[:, ::2]):
        torch.testing.assert_close(products(rows), rows @ rows.T)
        assert torch.equal(products(rows), products(rows).T)


def test_few_distances_are_computed_once_and_many_in_blocks() -> None:
    few = Distances(gaussian(50, 4))
    assert next(iter(few))[1].data_ptr() == next(iter(few))[1].data_ptr()
    many = Distances(gaussian(2500, 4))
    starts = [start for start, _ in many]
    assert len(starts) > 1
    assert "matrix" not in vars(many)
    assert len(many.pairs()) == 2500 * 2499 // 2


@pytest.mark.parametrize("n", [30, 300])
def test_the_first_direction_is_that_of_a_whole_decomposition(n: int) -> None:
    z = power_law(1.0, n, 60) + 3
    x = Cloud(z).rows
    scores = principal(x - x.mean(0), 1)[0]
    assert bimodality(z) == pytest.approx(float(scores.square().mean() ** 2 / scores.pow(4).mean()), rel=1e-9)


@pytest.mark.parametrize("count", [1, 2])
def test_equal_eigenvalues_have_principal_directions(count: int) -> None:
    rows = torch.eye(256, dtype=torch.float64)[:128]
    scores, directions = principal(rows - rows.mean(0), count)
    assert scores.shape == (128, count)
    torch.testing.assert_close(directions.T @ directions, torch.eye(count, dtype=torch.float64))


@pytest.mark.parametrize(
    "point", [torch.ones(9, 4), torch.full((9, 4), 0.1), torch.full((9, 40), 0.1), torch.zeros(9, 4)]
)
def test_a_point_has_no_first_direction(point: Tensor) -> None:
    assert math.isnan(bimodality(point))


def test_rows_that_are_not_of_full_rank_have_the_coherence_of_their_column_space() -> None:
    z = gaussian(40, 3) @ gaussian(3, 200)
    left = torch.linalg.svd(z.double(), full_matrices=False)[0][:, :3]
    assert coherence(z) == pytest.approx(float(left.square().sum(1).max()) * 40 / 3, rel=1e-5)
    assert coherence(gaussian(40, 200)) == 1.0


def test_the_smaller_side_is_the_same_with_and_without_a_gradient() -> None:
    z = gaussian(20, 90).double()
    torch.testing.assert_close(products(z), smaller_gram(z))
    torch.testing.assert_close(spectrum(z), spectrum(z.T.contiguous().T))
    assert _scatter.scatter(z).wide
