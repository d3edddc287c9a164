"""Whether the embeddings are a standard normal cloud: LeJEPA's statistic, raw or free of location and scale."""

from __future__ import annotations

import math

import torch

from fullrank.errors import UserError
from fullrank.metrics._embeddings import centered
from fullrank.metrics._pairs import sample
from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.record import Measurement
from fullrank.stats import epps_pulley, random_slices

_SLICES = 128  # of the measurement
_AT_A_TIME = 1 << 23  # numbers under a cosine: 64 MB


def sigreg(z: Rows, *, standardized: bool = True, slices: int = 512, seed: int = 0) -> float:
    """SIGReg: how far random projections are from a standard normal distribution (LeJEPA, 2025, arXiv:2511.08544).

    It is N times the Epps-Pulley distance, by the authors' trapezoid of 17 knots on [0, 3], averaged over directions. A
    shape that is not Gaussian is not a defect: read it when training with SIGReg or VISReg.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        standardized: Whether every dimension is first centered and divided by its standard deviation (divisor N),
            which leaves the shape; constant dimensions become zeros. Otherwise it also punishes any mean and any scale
            but 1, and depends on the scale.
        slices: Number of random directions, at least 1.
        seed: Draws the directions, and 8,192 of more rows.

    Returns:
        At least 0; 1.05 for a standard normal distribution (0.5 standardized), for any N; 0.402 N for total collapse,
            zeros and one row, and nearly that for any strong departure.

    Blind to, when standardized: complete collapse with noise left, the cone, and the scales of the axes.

    >>> z = torch.randn(1000, 16, generator=torch.Generator().manual_seed(0))
    >>> sigreg(z) < 1.1, sigreg(z, standardized=False) < 1.5, round(sigreg(torch.ones(1000, 16)))
    (True, True, 402)
    """
    if slices < 1:
        raise UserError(f"{slices} slices show nothing: pass 1 or more.")
    cloud = as_cloud(z, seed)
    x = cloud.rows
    if standardized:
        x = centered(x)
        deviation = torch.linalg.vector_norm(x, dim=0) / len(x) ** 0.5
        x = x.div_(deviation.where(deviation > 0, 1.0))
    else:
        x = x * cloud.scale
    x = sample(x, cloud.seed)
    directions = random_slices(x.shape[1], slices, cloud.seed, like=x)
    chunk = max(1, _AT_A_TIME // (17 * len(x)))
    return float(torch.cat([epps_pulley(x @ part) for part in directions.split(chunk, dim=1)]).mean())


def _of_few_slices(z: Cloud) -> float:
    return sigreg(z, slices=_SLICES)


SIGREG = Measurement(
    "sigreg",
    _of_few_slices,
    "SIGReg, standardized",
    f"{_SLICES} slices, [0, 3] x 17 knots",
    "pairs",
    of="rows",
    ideal=0.5,
    range=(0.0, math.inf),
    no_interval="biased",
    rotates=False,
)
