from __future__ import annotations

import math

import pytest
import torch

from fullrank.losses import moco_v3
from fullrank.testing.clouds import noise
from tests.losses.reference import check_reference


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 12)])
@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_two_views_are_both_directions_of_two_t_times_the_cross_entropy(n: int, d: int, temperature: float) -> None:
    target = noise(2, n, d, seed=1)

    def naive(z: torch.Tensor) -> torch.Tensor:
        q, k = (torch.nn.functional.normalize(x, dim=2) for x in (z, target))
        total = z.new_zeros(())
        for a, b in ((0, 1), (1, 0)):
            for i in range(n):
                similar = torch.stack([q[a, i] @ k[b, j] for j in range(n)]) / temperature
                total = total - 2 * temperature * torch.log_softmax(similar, 0)[i] / n
        return total

    check_reference(lambda z: moco_v3(z, target, temperature=temperature), naive, noise(2, n, d))


def test_three_views_are_the_mean_over_pairs() -> None:
    query, key = noise(3, 6, 4), noise(3, 6, 4, seed=1)
    pairs = [float(moco_v3(query[list(pair)], key[list(pair)])["loss"]) for pair in ((0, 1), (0, 2), (1, 2))]
    assert float(moco_v3(query, key)["loss"]) == pytest.approx(sum(pairs) / 3, rel=1e-12)


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_one_point_costs_4_t_ln_n_whatever_the_keys(temperature: float) -> None:
    point = torch.ones(2, 8, 4).double()
    for query, key in ((point, point), (noise(2, 8, 4), point), (torch.zeros_like(point), noise(2, 8, 4))):
        terms = moco_v3(query, key, temperature=temperature)
        assert float(terms["loss"]) == pytest.approx(4 * temperature * math.log(8), rel=1e-12)


def test_the_size_of_the_gradient_hardly_depends_on_the_temperature() -> None:
    """What the factor 2 T is for: of predictions at random, far from the keys."""
    key, norms = noise(2, 32, 16, seed=1), []
    for temperature in (0.5, 1.0, 2.0):
        query = noise(2, 32, 16).requires_grad_()
        moco_v3(query, key, temperature=temperature)["loss"].backward()
        assert query.grad is not None
        norms.append(float(query.grad.norm()))
    assert max(norms) < 1.1 * min(norms)
