"""Whether rows crowd together by tens, or only lie close to one or two others."""

from __future__ import annotations

import math

from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.hubs import OVER_NULL, crowd, gaussian_neighbors
from fullrank.metrics.record import SHARED, Measurement


def crowding(z: Rows, *, seed: int = 0) -> float:
    """How much tighter the rows of z (N, D) crowd than those of a Gaussian cloud of their spectrum.

    The median distance of two rows over the median distance to the tenth nearest row, and this over the same of
    Gaussian clouds; of fewer than 500 rows, to the one of number N / 50. Euclidean, of the distinct rows. At least 0
    and no bound above; 1 is ideal, and fewer than three distinct rows give 1. A few tight clusters crowd; pairs and
    small families of rows that are alike do not, and have a `relative_contrast` as high. Above 8,192 rows, that of a
    sample drawn by `seed`. Grades no collapse.

    >>> import torch
    >>> generator = torch.Generator().manual_seed(0)
    >>> z = torch.randn(1000, 8, generator=generator)
    >>> clusters, pairs = z[:8].repeat(125, 1) + 0.01 * z, z[:500].repeat(2, 1) + 0.01 * z
    >>> crowding(clusters) > 10, round(crowding(pairs), 1)
    (True, 1.0)
    """
    return as_cloud(z, seed).once(_crowding)


def _crowding(z: Cloud) -> float:
    if len(z.distinct) < 3:
        return 1.0
    near = z.near(min(crowd(len(z.drawn)), len(z.distinct) - 1))[:, -1]
    middle = float(z.apart.pairs().median())
    return middle / float(near.median()) / z.once(gaussian_neighbors).crowd


CROWDING = Measurement(
    "crowding",
    crowding,
    "crowding, over its null",
    f"Euclidean, without copies of rows, to row N / 50 up to 10; {OVER_NULL}",
    "pairs",
    of="rows",
    direction="low",
    ideal=1.0,
    range=(0.0, math.inf),
    no_interval=SHARED,
    expected=lambda _n, _dims: 1.0,
)
