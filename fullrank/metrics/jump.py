"""Whether rows lie in clusters with nothing between them: how far the distance of neighbors jumps at their edge."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.metrics._pairs import Distances, first_of_each, sample
from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.codebook import values_taken
from fullrank.metrics.record import SHARED, Measurement

_ASKED = 512  # rows whose neighbors are sorted
_FAMILY = 10  # rows that are alike without being a cluster: 10, or N / 50 if that is less, and at least 3
_STEP = 1.25  # times as many neighbors: of more, distances grow where no cluster ends
_MOST = 0.75  # of the rows: the farther ones are the tails
_SAME = 1e-6  # of the spread: closer rows are told apart by rounding


def neighbor_jump(z: Rows, *, seed: int = 0) -> float:
    """How many times as far the rows outside of a cluster are as those inside.

    Of each row it is the largest ratio of the distances to the neighbors of number 5/4 k and k, and the median of the
    rows counts; k goes from N / 50 (at least 3, at most 10) to 3/5 of the rows. On a smooth set of m dimensions,
    however curved, distances to a quarter more neighbors are (5/4)^(1/m) times as large, and with the chance of few
    rows at most 3 times; empty space around clusters makes them jump further, and so does a density that falls like a
    power over many magnitudes. Distances are Euclidean, among the rows that differ, and count as a millionth of the
    median one if they are less. It does not see clusters that touch, families of fewer rows than k, and one cluster of
    more than 3/4 of the rows. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        At least 1, without an upper bound; fewer than eight distinct rows give 1.

    >>> import torch
    >>> z = torch.randn(1000, 8, generator=torch.Generator().manual_seed(0))
    >>> clusters, pairs = z[:8].repeat(125, 1) + 0.01 * z, z[:500].repeat(2, 1) + 0.01 * z
    >>> neighbor_jump(clusters) > 10, round(neighbor_jump(pairs), 1), round(neighbor_jump(z), 1)
    (True, 1.1, 1.1)
    """
    return as_cloud(z, seed).once(_neighbor_jump)


def _neighbor_jump(z: Cloud) -> float:
    differ = _differ(z)
    if len(differ) < 8:
        return 1.0
    apart = z.apart if len(differ) == len(z.distinct) else Distances(sample(z.rows[differ], z.seed))
    return _jump(apart, z.seed)


def _differ(z: Cloud) -> Tensor:
    """Numbers (M,) of the rows that are equal to no earlier one in every value."""
    return first_of_each(z.once(values_taken)[0]).sort().values


def _jump(apart: Distances, seed: int) -> float:
    n = len(apart)
    least = max(3, min(_FAMILY, n // 50))
    asked = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:_ASKED]  # of any order of the rows
    squares = apart.of(asked.to(apart.device))
    floor = max(_SAME**2 * float(squares.median()), torch.finfo(squares.dtype).tiny)
    near = squares.sort(dim=1).values[:, 1:].clamp_min_(floor)  # the first is the row itself
    inner = torch.arange(least, max(int(_MOST * n / _STEP), least) + 1, device=near.device)
    outer = (_STEP * inner).ceil().long()
    return math.sqrt(float((near[:, outer - 1] / near[:, inner - 1]).amax(1).median()))


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
