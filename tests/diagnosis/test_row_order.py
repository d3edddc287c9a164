"""Neither the order of the rows nor the seed decides, also where a number lies at its threshold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import fullrank

N, DIMS = 300, 32


def _normal(seed: int) -> Tensor:
    return torch.randn(N, DIMS, generator=torch.Generator().manual_seed(seed))


def few_directions() -> Tensor:
    """The directions that carry the singular values are close to a quarter of those that there are."""
    return _normal(0) * torch.arange(1, DIMS + 1) ** -1.45


def tight_spots() -> Tensor:
    """The contrast is close to 4."""
    centers = 6.0 * _normal(1)[:10]
    return centers[torch.arange(N) % 10] + 0.2 * 6.0 * _normal(2)


def cone() -> Tensor:
    """The mean cosine is close to 0.6."""
    return _normal(3) + 1.225


@pytest.mark.parametrize("cloud", [few_directions, tight_spots, cone])
def test_20_permutations_of_a_borderline_cloud_give_one_verdict(cloud: Callable[[], Tensor]) -> None:
    z = cloud()
    verdicts = set()
    for seed in range(20):
        order = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
        report = fullrank.diagnose(z[order], seed=seed)
        verdicts.add((report.verdict, report.kind))
    assert len(verdicts) == 1, verdicts
