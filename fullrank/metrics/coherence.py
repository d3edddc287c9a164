"""Does one row hold a direction of its own? The largest share of a row in the column space."""

from __future__ import annotations

import math

import torch

from fullrank.metrics.cloud import Rows, as_cloud
from fullrank.metrics.record import Measurement

_SURE = 1e-6  # of the largest diagonal entry of a triangular factor: above it no direction is rounding


def coherence(z: Rows) -> float:
    """Coherence of z (N, D): the largest share of one row in the column space, times N / rank.

    max_i |U_i|^2 N / r over the left singular vectors above rounding (Tsitsulin et al., 2023), uncentered. In [1,
    N / r]; 1 when all rows weigh alike; total collapse, zeros and one row give 1. Sees outlying rows, grades no
    collapse. The least stable of all under subsampling.

    >>> coherence(torch.eye(3)), coherence(torch.tensor([[9.0, 0.0], [0.0, 1.0], [0.0, 1.0]]))
    (1.0, 1.5)
    """
    x = as_cloud(z).rows
    if not bool(x.any()):
        return 1.0
    tall = len(x) >= x.shape[1]
    left, factor = torch.linalg.qr(x if tall else x.T, mode="reduced" if tall else "r")
    sides = factor.diagonal().abs()
    if float(sides.min()) > _SURE * float(sides.max()):  # full rank for sure: the shares are those of any basis
        return float(left.square().sum(1).max()) * len(x) / x.shape[1] if tall else 1.0
    left, sigma, _ = torch.linalg.svd(x, full_matrices=False)
    kept = sigma > sigma[0] * max(x.shape) * torch.finfo(x.dtype).eps
    return float(left[:, kept].square().sum(1).max()) * len(x) / int(kept.sum())


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
