"""Synthetic embeddings of known collapse: 4,096 x 256 as in the survey's table, or any other size."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from fullrank.stats import normalize


def gaussian(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@cache
def rotation(d: int) -> Tensor:
    q: Tensor = torch.linalg.qr(gaussian(d, d, seed=1)).Q
    return q


def power_law(alpha: float, n: int = 4096, d: int = 256, seed: int = 0) -> Tensor:
    """Gaussian with covariance eigenvalues j^-alpha, in directions that are not axes."""
    roots = torch.arange(1, d + 1, dtype=torch.float64) ** (-alpha / 2)
    return (gaussian(n, d, seed) * roots) @ rotation(d)


def low_rank(k: int, n: int = 4096, d: int = 256, seed: int = 0) -> Tensor:
    return gaussian(n, k, seed) @ rotation(d)[:k]


def offset(spread: float, n: int = 4096, d: int = 256, seed: int = 0) -> Tensor:
    """An isotropic ball at distance 1 of this relative spread."""
    mean = normalize(gaussian(1, d, seed=2)) * math.sqrt(1 - spread**2)
    return mean + gaussian(n, d, seed) * spread / math.sqrt(d)


@cache
def survey() -> dict[str, Tensor]:
    """The clouds of the survey's sensitivity table whose recipe is unambiguous, at 4,096 x 256."""
    iso = gaussian(4096, 256)
    rogue = iso.clone()
    rogue[:, 0] *= 30
    return {
        "isotropic": iso,
        "power 1": power_law(1.0),
        "point": offset(1e-3),
        "constant": offset(0.0),
        "rank 16": low_rank(16),
        "power 2": power_law(2.0),
        "cone": offset(math.sqrt(0.1)),
        "half dead": iso * (torch.arange(256) < 128),
        "duplicates": iso[:, :128].repeat(1, 2),
        "rogue": rogue,
    }
