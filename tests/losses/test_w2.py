from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fullrank.losses import w2
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import gradient, value
from tests.losses.reference import check_reference


def bures(rows: Tensor) -> Tensor:
    """The paper's eq. 8: squared distance of N(mu, Sigma) from N(0, I / m), divisor n, rows (n, m) as they are."""
    n, m = rows.shape
    centered = rows - rows.mean(0)
    covariance = centered.T @ centered / n
    root = torch.linalg.eigvalsh(covariance).clamp_min(0).sqrt().sum()
    squared: Tensor = rows.mean(0).square().sum() + 1 + covariance.trace() - 2 / math.sqrt(m) * root
    return squared


def unit(*shape: int) -> Tensor:
    return torch.nn.functional.normalize(noise(*shape), dim=-1)


def cross(m: int) -> Tensor:
    """The 2m points +-e_j: unit rows with mean exactly 0 and covariance exactly I / m."""
    return torch.cat([torch.eye(m), -torch.eye(m)]).double()


@pytest.mark.parametrize("shape", [(1, 12, 4), (2, 9, 5), (3, 6, 7)])
def test_equals_the_papers_formula_on_all_views_as_one_batch(shape: tuple[int, ...]) -> None:
    def reference(z: Tensor) -> Tensor:
        return bures((z / z.norm(dim=2, keepdim=True)).flatten(0, 1)).sqrt()

    check_reference(w2, reference, noise(*shape))


@pytest.mark.parametrize("n", [4, 30])
@pytest.mark.parametrize("normalized", [True, False])
def test_w2_check_01_the_three_forms_agree(n: int, normalized: bool) -> None:
    rows = unit(n, 6) if normalized else 2 * noise(n, 6) + 1
    centered = rows - rows.mean(0)
    sigma = torch.linalg.svdvals(centered) / math.sqrt(n)
    padded = torch.nn.functional.pad(sigma, (0, 6 - len(sigma)))
    form_a = rows.mean(0).square().sum() + (padded - 6**-0.5).square().sum()
    form_b = rows.mean(0).square().sum() + 1 + sigma.square().sum() - 2 / math.sqrt(6) * sigma.sum()
    torch.testing.assert_close(form_a, bures(rows), rtol=0, atol=1e-7)  # eigvalsh: sqrt of rounding errors
    torch.testing.assert_close(form_b, form_a, rtol=0, atol=1e-12)
    if normalized:
        assert value(w2, rows[None]) == pytest.approx(float(form_a.sqrt()), abs=1e-10)


@pytest.mark.parametrize(("n", "m"), [(40, 6), (5, 9)])
def test_w2_check_02_unit_rows_leave_only_the_nuclear_norm(n: int, m: int) -> None:
    rows = unit(n, m)
    centered = rows - rows.mean(0)
    nuclear = torch.linalg.matrix_norm(centered, "nuc")
    assert value(w2, rows[None]) ** 2 == pytest.approx(float(2 - 2 / math.sqrt(n * m) * nuclear), abs=1e-10)
    total = rows.mean(0).square().sum() + centered.square().sum() / n
    assert float(total) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_w2_check_03_worst_and_best(dtype: torch.dtype) -> None:
    point = unit(1, 1, 6).expand(2, 8, 6).to(dtype)
    assert value(w2, point) == pytest.approx(math.sqrt(2), abs=1e-3 if dtype == torch.float32 else 1e-7)
    best = aligned(cross(6)).to(dtype)
    assert value(w2, best) <= math.sqrt(4 * torch.finfo(dtype).eps)  # the guard of the square root
    for z in (point, best):
        assert bool(gradient(w2, z).isfinite().all())
    assert float(gradient(w2, best).norm()) < 1e-3


def test_w2_check_04_isotropic_covariance_with_a_mean() -> None:
    shift = noise(6)
    rows = 0.7 * cross(6) + shift
    s = 0.49 / 6
    expected = shift.square().sum() + (1 - math.sqrt(6 * s)) ** 2
    torch.testing.assert_close(bures(rows), expected, rtol=0, atol=1e-12)


def test_w2_check_05_invariances() -> None:
    z = noise(2, 12, 5)
    rotation = torch.linalg.qr(noise(5, 5, seed=1)).Q
    assert value(w2, z @ rotation) == pytest.approx(value(w2, z), abs=1e-10)
    assert value(w2, z.flip(1)) == pytest.approx(value(w2, z), abs=1e-10)
    lengths = torch.rand(2, 12, 1, generator=torch.Generator().manual_seed(0)).double() + 0.1
    assert value(w2, lengths * z) == pytest.approx(value(w2, z), abs=1e-10)  # ISC: it normalizes first
    assert float(bures(2 * unit(12, 5))) != pytest.approx(float(bures(unit(12, 5))), abs=0.1)


@pytest.mark.parametrize("copies", [2, 3, 5, 10])
def test_w2_check_06_cloned_samples_are_free_and_raw_cloned_features_cost(copies: int) -> None:
    rows = unit(20, 8)
    assert value(w2, rows.repeat(copies, 1)[None]) == pytest.approx(value(w2, rows[None]), abs=1e-10)
    torch.testing.assert_close(bures(rows.repeat(1, copies)), copies - 1 + bures(rows), rtol=0, atol=1e-6)
    assert value(w2, rows.repeat(1, copies)[None]) > value(w2, rows[None])


@pytest.mark.parametrize("zeros", [1, 4, 8, 80])
def test_w2_check_06_zero_features_cost_as_the_formula_says(zeros: int) -> None:
    rows = unit(20, 8)
    expected = 2 - (2 - value(w2, rows[None]) ** 2) * math.sqrt(8 / (8 + zeros))
    padded = torch.nn.functional.pad(rows, (0, zeros))
    assert value(w2, padded[None]) ** 2 == pytest.approx(expected, abs=1e-10)
    assert value(w2, padded[None]) > value(w2, rows[None])


def test_w2_check_06_the_clone_once_normalized_costs_as_much_as_zeros() -> None:
    rows = unit(20, 8)
    padded = torch.nn.functional.pad(rows, (0, 8))
    assert value(w2, rows.repeat(1, 2)[None]) == pytest.approx(value(w2, padded[None]), abs=1e-10)


def test_w2_check_09_fewer_samples_than_features_leave_a_floor() -> None:
    for n, m in ((5, 9), (20, 64)):
        assert value(w2, noise(1, n, m)) ** 2 > 2 - 2 * math.sqrt((n - 1) / m)


def test_w2_check_10_the_gradient_is_the_tangential_zca_direction() -> None:
    rows = unit(30, 5)
    n, m = rows.shape
    centered = rows - rows.mean(0)
    eigenvalues, vectors = torch.linalg.eigh(centered.T @ centered / n)
    zca = (vectors / eigenvalues.sqrt()) @ vectors.T
    raw = (rows - centered @ zca / math.sqrt(m)) / (n * value(w2, rows[None]))
    tangential = raw - (raw * rows).sum(1, keepdim=True) * rows
    torch.testing.assert_close(gradient(w2, rows[None])[0], tangential, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", ["few samples", "zero columns", "constant", "isotropic", "zeros", "rank 2"])
def test_w2_check_11_the_gradient_is_finite_and_bounded(case: str, dtype: torch.dtype) -> None:
    z = {
        "few samples": noise(2, 3, 12),
        "zero columns": torch.nn.functional.pad(noise(2, 12, 4), (0, 3)),
        "constant": torch.ones(2, 8, 4),
        "isotropic": aligned(cross(4)),
        "zeros": torch.zeros(2, 8, 4),
        "rank 2": noise(2, 16, 2) @ noise(2, 6),
    }[case].to(dtype)
    answer = gradient(w2, z)
    assert bool(answer.isfinite().all())
    assert float(answer.abs().max()) < 10


def test_w2_check_14_views_are_concatenated_not_averaged() -> None:
    z = noise(2, 10, 4) + torch.tensor([[[2.0]], [[-2.0]]])
    assert value(w2, z) == pytest.approx(value(w2, z.flatten(0, 1)[None]), abs=1e-12)
    assert abs(value(w2, z) - (value(w2, z[:1]) + value(w2, z[1:])) / 2) > 0.1
