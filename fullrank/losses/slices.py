"""Random directions on which sliced losses look at embeddings as at numbers on a line."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.stats import normalize


def random_slices(features: int, count: int, seed: int, like: Tensor) -> Tensor:
    """Unit columns (features, count), uniform on the sphere; the same on every device and in every number format.

    >>> random_slices(3, 2, seed=0, like=torch.zeros(1)).norm(dim=0)
    tensor([1.0000, 1.0000])
    """
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(features, count, generator=generator, dtype=torch.float64), dim=0).to(like)
