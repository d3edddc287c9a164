"""Coherence: whether one row holds a direction of its own, by the largest share of a row in the column space."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.metrics.cloud import Rows, as_cloud
from fullrank.metrics.record import Measurement

_SURE = 1e-6  # of the largest diagonal entry of a triangular factor: above it no direction is rounding


def coherence(z: Rows) -> float:
    """Coherence: the largest share of one row in the column space, times N / rank.

    It is max_i |U_i|^2 N / r over the left singular vectors above rounding (Tsitsulin et al., 2023), uncentered. It
    finds outlying rows, and does not measure collapse. Of all metrics it is the least stable under subsampling.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in [1, N / r]; 1 when all rows weigh alike; total collapse, zeros and one row give 1.

    >>> coherence(torch.eye(3)), coherence(torch.tensor([[9.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    (1.0, 1.5)
    """
    cloud = as_cloud(z)
    x = cloud.rows
    if not bool(x.any()):
        return 1.0
    if cloud.n <= cloud.dims:
        factor, failed = torch.linalg.cholesky_ex(cloud.scatter.second_moment)
        if not bool(failed) and _full_rank(factor):
            return 1.0
    else:
        left, factor = torch.linalg.qr(x)
        if _full_rank(factor):  # the shares are those of any basis
            return float(left.square().sum(1).max()) * len(x) / x.shape[1]
    left, sigma, _ = torch.linalg.svd(x, full_matrices=False)
    kept = sigma > sigma[0] * max(x.shape) * torch.finfo(x.dtype).eps
    return float(left[:, kept].square().sum(1).max()) * len(x) / int(kept.sum())


def _full_rank(factor: Tensor) -> bool:
    """Whether a triangular factor is certainly of full rank."""
    sides = factor.diagonal().abs()
    return float(sides.min()) > _SURE * float(sides.max())


COHERENCE = Measurement(
    "coherence",
    coherence,
    "coherence",
    "uncentered",
    "pairs",
    of="rows",
    ideal=1.0,
    collapsed=1.0,
    range=(1.0, math.inf),
    no_interval="a maximum",
)
