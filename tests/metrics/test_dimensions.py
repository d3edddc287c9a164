"""Dead and duplicate dimensions, across the blocks they are computed in."""

from __future__ import annotations

import pytest
import torch

from fullrank.metrics import dead_dimensions, duplicate_dimensions
from fullrank.stats import moments
from tests.metrics.clouds import gaussian


def test_a_dead_dimension_may_have_any_constant_value() -> None:
    z = gaussian(50, 10)
    z[:, 3] = 1e6
    z[:, 7] *= 1e-4  # variance 1e-8 of the others
    z[:, 8] *= 1e-2  # variance 1e-4: small, but alive
    assert dead_dimensions(z) == 0.2
    assert dead_dimensions(moments(z)) == 0.2


def test_copies_are_found_across_blocks_in_any_sign_scale_and_offset() -> None:
    z = gaussian(60, 1100)
    z[:, 700] = -3 * z[:, 2] + 5
    z[:, 1090] = 1e-9 * z[:, 2]
    z[:, 1000] = z[:, 999] + 0.01 * z[:, 0]
    z[:, 500] = 4.0  # constant: no copy of anything
    assert duplicate_dimensions(z) == pytest.approx(3 / 1100)
    assert duplicate_dimensions(moments(z)) == pytest.approx(3 / 1100)


def test_strong_correlation_is_no_copy() -> None:
    shared = gaussian(5000, 1)
    z = torch.cat([shared, shared + 0.1 * gaussian(5000, 1, seed=1)], dim=1)  # correlation 0.995
    assert duplicate_dimensions(z) == 0
