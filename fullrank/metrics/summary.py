"""All numbers of one monitor row."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from fullrank.metrics.cloud import Cloud, Data, as_cloud
from fullrank.metrics.dimensions import DEAD_DIMENSIONS, DIMENSION_GAP, DUPLICATE_DIMENSIONS, ROGUE_DIMENSION
from fullrank.metrics.head import HEAD_GAP
from fullrank.metrics.outweighing import OUTWEIGHING_SHARE, RANK_BEHIND
from fullrank.metrics.participation import PARTICIPATION_RATIO
from fullrank.metrics.rank import (
    DIMS_FOR_VARIANCE,
    EFFECTIVE_RANK,
    NESUM,
    RANK_SHARE,
    RANKME,
    RANKME_CENTERED,
    STABLE_RANK,
)
from fullrank.metrics.shape import DECAY_EXPONENT, HEAD_WEIGHT
from fullrank.metrics.signal import SIGNAL_RANK, SIGNAL_SHARE
from fullrank.metrics.single_rows import ZERO_ROWS
from fullrank.metrics.spread import (
    DIMENSION_STD,
    MEAN_COSINE,
    NEGATIVE_SHARE,
    NORM_VARIATION,
    RELATIVE_SPREAD,
    ROW_NORM,
)
from fullrank.metrics.uniformity import UNIFORMITY, W2_UNIFORMITY, alignment

_ROW = (
    *(RELATIVE_SPREAD, MEAN_COSINE, NEGATIVE_SHARE, DIMENSION_STD, ZERO_ROWS, ROW_NORM, NORM_VARIATION),
    *(EFFECTIVE_RANK, RANKME, RANKME_CENTERED, RANK_SHARE, PARTICIPATION_RATIO, STABLE_RANK),
    *(SIGNAL_RANK, SIGNAL_SHARE, DECAY_EXPONENT, HEAD_WEIGHT, HEAD_GAP, DIMS_FOR_VARIANCE, W2_UNIFORMITY, UNIFORMITY),
    *(DEAD_DIMENSIONS, DUPLICATE_DIMENSIONS, ROGUE_DIMENSION, DIMENSION_GAP, OUTWEIGHING_SHARE, RANK_BEHIND),
)
_READING = (  # what one matrix of inner products and one decomposition give, and passes over the rows
    *(RELATIVE_SPREAD, MEAN_COSINE, NEGATIVE_SHARE, ZERO_ROWS, ROW_NORM, NORM_VARIATION),
    *(EFFECTIVE_RANK, RANKME_CENTERED, RANK_SHARE, PARTICIPATION_RATIO, DECAY_EXPONENT, HEAD_WEIGHT, HEAD_GAP),
    *(SIGNAL_RANK, SIGNAL_SHARE, DEAD_DIMENSIONS, ROGUE_DIMENSION, DIMENSION_GAP, OUTWEIGHING_SHARE, RANK_BEHIND),
)
_SMOOTH = (RELATIVE_SPREAD, EFFECTIVE_RANK, RANKME, RANKME_CENTERED, PARTICIPATION_RATIO, STABLE_RANK, NESUM)


def summarize(
    z: Tensor | Cloud, *, alignment_pair: tuple[Tensor, Tensor] | None = None, quick: bool = False
) -> dict[str, float]:
    """The numbers that describe embeddings, with each decomposition done once.

    Read spread and rank together: neither sees what the other sees.

    Args:
        z: Embeddings (N, D).
        alignment_pair: Two views (M, D), for "alignment".
        quick: Leaves out what needs the spectrum about the origin, the moments of rows at length 1, or all pairs of
            rows or dimensions.

    Returns:
        Numbers by the names of a diagnosis, never NaN, which can be written as JSON. "participation_ratio" is the
            unbiased one, "rankme" the paper's, "dims_for_variance" at 0.90; "head_weight" is there from N = 2 D on.

    >>> import torch
    >>> row = summarize(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    >>> row["relative_spread"], round(row["effective_rank"], 6), row["n"], row["dims"]
    (1.0, 2.0, 4, 2)
    """
    cloud = as_cloud(z)
    row = {
        one.name: one.function(cloud) for one in (_READING if quick else _ROW) if cloud.n >= one.per_dim * cloud.dims
    }
    row |= {"n": cloud.n, "dims": cloud.dims}
    if alignment_pair is not None:
        row["alignment"] = alignment(*alignment_pair)
    return row


def what_follows(row: Mapping[str, float], n: int, dims: int) -> dict[str, float]:
    """Numbers that a monitor row lacks and that follow from others of it: the shape of the spectrum from two ranks.

    >>> what_follows({"rankme_centered": 8.0}, 400, 16)
    {'rank_share': 0.5}
    """
    found = {one.name: one.follows(row, n, dims) for one in _ROW if one.follows is not None and one.name not in row}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def summarize_moments(z: Data) -> dict[str, float]:
    """The smooth numbers that moments determine, with one decomposition of the covariance and one of the second moment.

    It is meant for streams, and for `jackknife_all`.

    Args:
        z: Moments of the rows; rows or a `Cloud` too.

    Returns:
        Numbers by the names of `summarize`, and "nesum".

    >>> import torch
    >>> from fullrank.stats import moments
    >>> round(summarize_moments(moments(torch.eye(3)))["rankme_centered"], 6)
    2.0
    """
    cloud = as_cloud(z)
    return {one.name: one.function(cloud) for one in _SMOOTH}
