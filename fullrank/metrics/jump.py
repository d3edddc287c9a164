"""Whether rows lie in clusters with nothing between them: how far the distance of neighbors jumps at their edge."""

from __future__ import annotations

import math

import torch

from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.record import SHARED, Measurement

_ASKED = 512  # rows whose neighbors are sorted
_FAMILY = 10  # rows that are alike without being a cluster: 10, or N / 50 if that is less, and at least 3
_MOST = 0.75  # of the rows: the farther ones are the tails


def neighbor_jump(z: Rows, *, seed: int = 0) -> float:
    """How many times as far the rows outside of a cluster are as those inside.

    Of each row it is the largest ratio of the distances to the neighbors of number 2k and k, and the median of the
    rows counts; k goes from N / 50 (at least 3, at most 10) to 3/8 of the rows. On a smooth set of m dimensions,
    however curved, distances to twice as many neighbors are 2^(1/m) times as large, so at most twice, and three times
    near the ends of a line; empty space around clusters makes them jump further, and so does a density that falls like
    a power (rows of very different lengths). Distances are Euclidean, among the distinct rows. It does not see clusters
    that touch, families of fewer rows than k, and one cluster of more than 3/4 of the rows. It does not measure
    collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        At least 1, without an upper bound; fewer than eight distinct rows give 1.

    >>> import torch
    >>> z = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    >>> clusters, pairs = z[:8].repeat(125, 1) + 0.01 * z, z[:500].repeat(2, 1) + 0.01 * z
    >>> neighbor_jump(clusters) > 10, round(neighbor_jump(pairs), 1), round(neighbor_jump(z), 1)
    (True, 1.2, 1.2)
    """
    return as_cloud(z, seed).once(_neighbor_jump)


def _neighbor_jump(z: Cloud) -> float:
    n = len(z.distinct)
    if n < 8:
        return 1.0
    least = max(3, min(_FAMILY, n // 50))
    asked = torch.randperm(n, generator=torch.Generator().manual_seed(z.seed))[:_ASKED]  # of any order of the rows
    near = z.apart.of(asked.to(z.distinct.device)).sort(dim=1).values[:, 1:]  # squares; the first is the row itself
    most = max(int(_MOST * n) // 2, least)
    ratios = near[:, 2 * least - 1 : 2 * most : 2] / near[:, least - 1 : most]
    return math.sqrt(float(ratios.amax(1).median()))


NEIGHBOR_JUMP = Measurement(
    "neighbor_jump",
    neighbor_jump,
    "jump of the distances at the edge of clusters",
    "Euclidean, without copies of rows, median; an evenly spread set has at most 3",
    "pairs",
    of="rows",
    direction="low",
    range=(1.0, math.inf),
    no_interval=SHARED,
)
