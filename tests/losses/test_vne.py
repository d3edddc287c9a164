from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.losses import vne
from fullrank.stats import hill, normalize, spectrum
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.derivative_laws import check_gradient
from fullrank.testing.loss_values import gradient
from tests.losses.reference import check_reference


def authors(z: Tensor, invariance: float = 4.16, entropy: float = 1.0) -> Tensor:
    """Their code for two views: entropy through the singular values of the unit rows over sqrt(N)."""
    cosine = torch.cosine_similarity(z[0], z[1], dim=1).mean()
    entropies = []
    for view in torch.nn.functional.normalize(z, dim=2):
        p = torch.linalg.svdvals(view / len(view) ** 0.5).square()
        entropies.append(-(p * p.log()).sum())
    return -invariance * cosine - entropy * torch.stack(entropies).mean()


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12), (5, 5)])
def test_equals_the_authors_code_on_both_sides(n: int, d: int) -> None:
    check_reference(vne, authors, noise(2, n, d))
    check_reference(
        partial(vne, invariance=1.0, entropy=0.3), partial(authors, invariance=1.0, entropy=0.3), noise(2, n, d)
    )


def test_the_entropy_is_minus_the_log_of_the_effective_rank() -> None:
    z = noise(2, 20, 6)
    ranks = [hill(spectrum(normalize(view), centered=False), 1.0) for view in z]
    assert float(vne(z)["entropy"]) == pytest.approx(-float(torch.stack(ranks).log().mean()), rel=1e-10)


def test_one_point_has_no_entropy_and_a_frame_the_most() -> None:
    assert float(vne(aligned(torch.ones(8, 4).double()))["entropy"]) == pytest.approx(0.0, abs=1e-12)
    assert float(vne(aligned(torch.eye(4).double()))["entropy"]) == pytest.approx(-math.log(4), rel=1e-12)


def test_the_gradient_is_exact_at_equal_eigenvalues_and_zero_at_the_optimum() -> None:
    """A frame has equal eigenvalues; so has a frame of three dimensions in five, with two eigenvalues of zero."""
    entropy_only = partial(vne, invariance=0.0)
    frame = aligned(torch.eye(4, dtype=torch.float64).repeat(2, 1))
    torch.testing.assert_close(gradient(entropy_only, frame), torch.zeros_like(frame), rtol=0, atol=1e-12)
    flat = aligned(torch.eye(3, 5, dtype=torch.float64).repeat(3, 1))
    torch.testing.assert_close(gradient(entropy_only, flat), torch.zeros_like(flat), rtol=0, atol=1e-12)
    check_gradient(vne, 3, 4, 6)
