from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import alignment
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import value
from tests.losses.reference import check_reference


def reference(z: Tensor, alpha: float) -> Tensor:
    """Wang & Isola: the mean over positive pairs of |u - v|^alpha, spelled out."""
    unit = z / z.norm(dim=2, keepdim=True)
    views, samples, _ = z.shape
    pairs = [(a, b) for a in range(views) for b in range(views) if a != b]
    return torch.stack([(unit[a, i] - unit[b, i]).norm() ** alpha for a, b in pairs for i in range(samples)]).mean()


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.0])
@pytest.mark.parametrize("shape", [(2, 5, 3), (3, 4, 6)])
def test_equals_the_plain_formula(alpha: float, shape: tuple[int, ...]) -> None:
    check_reference(partial(alignment, alpha=alpha), partial(reference, alpha=alpha), noise(*shape))


def test_is_two_minus_two_cosines() -> None:
    z = noise(2, 7, 4)
    cosine = torch.nn.functional.cosine_similarity(z[0], z[1]).mean()
    assert value(alignment, z) == pytest.approx(2 - 2 * float(cosine), abs=1e-12)


def test_opposite_views_are_the_worst() -> None:
    z = noise(1, 7, 4)
    assert value(alignment, torch.cat([z, -z])) == pytest.approx(4.0)
    assert value(alignment, aligned(z[0])) == 0.0


def test_one_sample_is_enough() -> None:
    assert value(alignment, torch.eye(2)[:, None, :]) == pytest.approx(2.0)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.0])
def test_views_that_agree_cost_nothing_and_get_a_finite_gradient(alpha: float) -> None:
    z = noise(2, 5, 3)
    z[1, 0] = z[0, 0]
    z.requires_grad_()
    alignment(z, alpha=alpha)["loss"].backward()
    assert z.grad is not None
    assert bool(z.grad.isfinite().all())
    assert bool((z.grad[:, 0] == 0).all())
    assert bool((z.grad[:, 1:] != 0).any())
    assert value(partial(alignment, alpha=alpha), aligned(noise(5, 3))) == 0.0
