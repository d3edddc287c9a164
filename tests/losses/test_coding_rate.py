from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import coding_rate
from fullrank.testing.clouds import aligned, few_dimensions, noise, spread_cloud
from fullrank.testing.loss_values import descend, value
from tests.losses.reference import check_reference


def authors(z: Tensor, eps: float = 0.2, invariance: float = 200.0) -> Tensor:
    """EMP-SSL's code, always D x D: 200 times minus the cosine to the mean view, and minus half a log-determinant."""
    z = torch.nn.functional.normalize(z, dim=2)
    views, n, d = z.shape
    similarity = torch.stack([torch.cosine_similarity(view, z.mean(0), dim=1).mean() for view in z]).mean()
    rate = (
        sum((torch.logdet(torch.eye(d) + d / (n * eps) * view.T @ view) / 2 for view in z), torch.tensor(0.0)) / views
    )
    return -invariance * similarity - rate


@pytest.mark.parametrize("shape", [(2, 12, 4), (2, 4, 12), (3, 5, 5), (4, 2, 3)])
def test_equals_the_authors_code_on_both_sides(shape: tuple[int, ...]) -> None:
    check_reference(coding_rate, authors, noise(*shape))


def test_other_eps_and_invariance() -> None:
    check_reference(
        partial(coding_rate, eps=0.5, invariance=3.0), partial(authors, eps=0.5, invariance=3.0), noise(2, 6, 4)
    )


@pytest.mark.parametrize("n", [3, 64])
def test_one_point_has_the_rate_of_one_direction_for_any_batch(n: int) -> None:
    rate = coding_rate(aligned(torch.ones(n, 16).double()))["rate"]
    assert float(rate) == pytest.approx(-math.log1p(16 / 0.2) / 2, rel=1e-12)


def test_the_optimum_is_the_rate_of_equal_eigenvalues() -> None:
    """Sylvester: four unit directions, each with a quarter of the energy."""
    rate = coding_rate(aligned(torch.eye(4, dtype=torch.float64)))["rate"]
    assert float(rate) == pytest.approx(-4 * math.log1p(1 / 0.2) / 2, rel=1e-12)


def test_the_sign_descent_expands() -> None:
    """The published bug of a peer: with plus half a log-determinant, this step lowers the rate."""
    start = few_dimensions(spread_cloud(64, 16)) + 1e-2 * noise(64, 16, seed=3)
    before, after = (coding_rate(aligned(z))["rate"] for z in (start, descend(coding_rate, start)))
    assert after < before


def test_simdino_scale_is_an_expansion() -> None:
    n, d, z = 12, 4, noise(2, 12, 4)
    scale = (d + n) / (d * n)
    loss = partial(coding_rate, eps=0.5, invariance=1.0, expansion=scale)
    terms = loss(z)
    assert value(loss, z) == pytest.approx(float(terms["similarity"] + scale * terms["rate"]), rel=1e-12)
    unit = torch.nn.functional.normalize(z, dim=2)
    rates = [torch.logdet(torch.eye(d) + d / (n * 0.5) * view.T @ view) / 2 for view in unit]
    assert float(terms["rate"]) == pytest.approx(-float(torch.stack(rates).mean()), rel=1e-10)
