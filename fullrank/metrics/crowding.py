"""Whether rows crowd together by tens, or only lie close to one or two others."""

from __future__ import annotations

import math

from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.hubs import OVER_NULL, crowd, gaussian_neighbors
from fullrank.metrics.record import SHARED, Measurement


def crowding(z: Rows, *, seed: int = 0) -> float:
    """How much tighter the rows crowd than those of a Gaussian cloud of the same spectrum.

    It is the median distance of two rows over the median distance to the tenth nearest row, divided by the same of
    Gaussian clouds; below 500 rows, it takes the neighbor of number N / 50. Distances are Euclidean, among the distinct
    rows. A few tight clusters crowd; pairs and small families of similar rows do not, although their
    `relative_contrast` is as high. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        At least 0, without an upper bound; 1 is ideal, and fewer than three distinct rows give 1.

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
