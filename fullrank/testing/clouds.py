"""The embeddings on which the contract tries a loss: spread, collapsed, in float64, and the same everywhere."""

from __future__ import annotations

import torch
from torch import Tensor


def noise(*shape: int, seed: int = 0) -> Tensor:
    """Standard normal numbers of that shape.

    >>> noise(2, 3).shape
    torch.Size([2, 3])
    """
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def spread_cloud(n: int, d: int) -> Tensor:
    """(n, d) centered, all min(n - 1, d) variances equal, sized for an average feature variance of 1 when n > d.

    >>> spread_cloud(8, 2).T.cov(correction=0).allclose(torch.eye(2, dtype=torch.float64))
    True
    """
    x = noise(n, d)
    left, sizes, right = torch.linalg.svd(x - x.mean(0), full_matrices=False)
    alive = sizes > 1e-9
    cloud: Tensor = n**0.5 * left[:, alive] @ right[alive]
    return cloud


def subspace(d: int, rank: int, seed: int = 1) -> Tensor:
    """Projector (d, d) onto a random subspace that leans on every feature.

    >>> round(float(subspace(8, rank=3).trace()))
    3
    """
    basis: Tensor = torch.linalg.qr(noise(d, rank, seed=seed)).Q
    return basis @ basis.T


def one_point(z: Tensor) -> Tensor:
    """As many samples as z (N, D) has, all at one point."""
    return noise(1, z.shape[1], seed=2).expand_as(z)


def few_dimensions(z: Tensor) -> Tensor:
    """z (N, D) in a subspace of 4 dimensions, at its norm."""
    flat = z @ subspace(z.shape[1], rank=4)
    return flat * float(z.norm() / flat.norm())


def few_clusters(z: Tensor) -> Tensor:
    """The first 4 rows of z (N, D), again and again."""
    return z[torch.arange(len(z)) % 4]


def aligned(z: Tensor, views: int = 2) -> Tensor:
    """z (N, D) as equal views (V, N, D)."""
    return torch.stack([z] * views)
