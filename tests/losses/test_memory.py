"""SIGReg and SSL-HSIC of many samples: little memory, and in float32 the gradient of float64."""

from __future__ import annotations

from functools import partial

import pytest

from fullrank.losses import sigreg, ssl_hsic
from fullrank.testing.clouds import noise
from fullrank.testing.loss_values import Loss, gradient
from tests.memory import takes_less_than

SAMPLES = 1536  # of two views: all pairs of rows have 75 MB in float64, all knots of all slices 214 MB in float32
each = pytest.mark.parametrize("loss", [partial(sigreg, slices=1024), ssl_hsic], ids=["sigreg", "ssl_hsic"])


@each
@pytest.mark.slow
def test_a_gradient_takes_less_memory_than_what_it_is_a_sum_of(loss: Loss) -> None:
    z = noise(2, SAMPLES, 8).float()
    gradient(loss, z[:, :8])  # whatever is taken once
    with takes_less_than(2**26):
        gradient(loss, z)


@each
def test_in_float32_the_gradient_is_right_to_a_millionth(loss: Loss) -> None:
    z = noise(2, 256, 32).float()
    exact = gradient(loss, z.double())
    assert float((gradient(loss, z) - exact).norm() / exact.norm()) < 1e-6
