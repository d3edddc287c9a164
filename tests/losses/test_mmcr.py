from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import mmcr
from fullrank.testing.clouds import aligned, few_dimensions, noise, spread_cloud
from fullrank.testing.loss_laws import check_finite
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def authors(z: Tensor, compression: float) -> Tensor:
    """Singular values of the centroids, and of the views of every sample over N."""
    z = torch.nn.functional.normalize(z, dim=2)
    views: Tensor = torch.linalg.svdvals(z.transpose(0, 1)).sum() / z.shape[1]
    centroids: Tensor = torch.linalg.svdvals(z.mean(0)).sum()
    return compression * views - centroids


@pytest.mark.parametrize("compression", [0.0, 5e-3, 0.5])
@pytest.mark.parametrize("shape", [(2, 12, 4), (2, 4, 12), (3, 5, 4)])
def test_equals_the_authors_code_on_both_sides(shape: tuple[int, ...], compression: float) -> None:
    check_reference(partial(mmcr, compression=compression), partial(authors, compression=compression), noise(*shape))


@pytest.mark.parametrize(("n", "d"), [(64, 16), (9, 16)])
def test_one_point_scores_sqrt_n_and_the_optimum_sqrt_n_k(n: int, d: int) -> None:
    assert value(mmcr, aligned(torch.ones(n, d).double())) == pytest.approx(-math.sqrt(n), rel=1e-9)
    frame = torch.eye(d, dtype=torch.float64)[torch.arange(n) % d]
    assert value(mmcr, aligned(frame)) == pytest.approx(-math.sqrt(n * min(n, d)), rel=1e-9)


def test_compression_of_views_that_agree_costs_nothing_more_than_their_length() -> None:
    terms = mmcr(aligned(spread_cloud(64, 16)), compression=0.1)
    assert float(terms["views"]) == pytest.approx(math.sqrt(2), rel=1e-9)
    assert "views" not in mmcr(aligned(spread_cloud(64, 16)))


def test_compression_is_finite_where_views_agree() -> None:
    check_finite(partial(mmcr, compression=0.1), aligned(few_dimensions(spread_cloud(8, 6))))


@pytest.mark.parametrize("compression", [-1.0, float("nan")])
def test_a_compression_that_would_push_apart_is_explained(compression: float) -> None:
    with pytest.raises(UserError, match="pass a number that is not negative"):
        mmcr(noise(2, 8, 4), compression=compression)
