"""Spread and cone: is there any difference between the embeddings at all?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.metrics._embeddings import centered, embeddings, mean_and_variance, unit_rows
from fullrank.stats import Moments


def relative_spread(z: Tensor | Moments) -> float:
    """Root mean square distance from the mean, as a share of the root mean square norm, of z (N, D).

    sqrt(tr C / (tr C + |mean|^2)), C the covariance with divisor N. In [0, 1]; high is healthy, ideal 1; total
    collapse, zeros and one row give 0. Free of scale, not of translation: the one number that tells a tiny
    ball far from the origin from a healthy cloud. Features after a batch norm give 1 by construction.
    Blind to: dimensional and cluster collapse, dead and duplicate dimensions.

    >>> import torch
    >>> relative_spread(torch.tensor([[1.0, 1.0], [1.0, -1.0]])) ** 2
    0.5...
    """
    mean, variance = mean_and_variance(z)
    total = float(variance.sum() + mean.square().sum())
    return math.sqrt(float(variance.sum()) / total) if total > 0 else 0.0


def mean_cosine(z: Tensor) -> float:
    """Mean cosine over all pairs of different rows of z (N, D), without bias, in O(N D).

    (|sum u|^2 - N) / (N (N - 1)), u the rows scaled to length 1. In [-1 / (N - 1), 1]; low is healthy, ideal 0;
    total collapse gives 1, and so do one row and zeros: two zero rows are one point, cosine 1. A high value
    need not be an error: a low temperature makes a cone on purpose. (Ethayarajh, 2019, "anisotropy".)
    Blind to: dimensional and cluster collapse, dead and duplicate dimensions.

    >>> import torch
    >>> mean_cosine(torch.tensor([[2.0, 0.0], [0.0, 5.0], [0.0, 1.0]]))  # one pair of three agrees
    0.333...
    """
    u = unit_rows(z)
    n = len(u)
    if n < 2:
        return 1.0
    squared_norms = u.square().sum(1)
    zeros = int((squared_norms == 0).sum())
    pairs = float(u.sum(0).square().sum() - squared_norms.sum()) + zeros * (zeros - 1)
    return pairs / (n * (n - 1))


def dimension_std(z: Tensor) -> float:
    """Mean over dimensions of the standard deviation of z (N, D) with rows scaled to length 1, times sqrt(D).

    SimSiam's collapse curve (Chen & He, 2021, section 4.1) times sqrt(D), so that 1 is isotropic at any width
    (the paper plots 1 / sqrt(D)); divisor N, so never above 1. In [0, 1]; high is healthy, ideal 1; total
    collapse, zeros and one row give 0. Depends on the axes, not on the cloud alone.
    Blind to: dimensional collapse (rank 16 of 256 gives 0.985), clusters, duplicate dimensions.

    >>> import torch
    >>> dimension_std(torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]))
    1.0...
    """
    deviations = centered(unit_rows(z)).square().mean(0).sqrt()
    return float(deviations.mean()) * math.sqrt(len(deviations))


def row_norm(z: Tensor) -> float:
    """Root mean square norm of the rows of z (N, D), in the unit they came in.

    At least 0, no value is healthy for sure: the one number here that sees embeddings shrink to the origin or grow
    without bound, which every other is free of. Zeros give 0. Grades no collapse.

    >>> import torch
    >>> row_norm(torch.tensor([[3.0, 4.0], [3.0, -4.0]]))
    5.0
    """
    x = embeddings(z)  # for its checks and its range
    largest = float(z.detach().abs().amax())
    return largest * math.sqrt(float(x.square().sum(1).mean()))


def norm_variation(z: Tensor) -> float:
    """Standard deviation of the norms of the rows of z (N, D) over their mean.

    At least 0, no value is healthy for sure; rows of one length give 0, and so do total collapse, zeros and one row. A
    few exploded rows make it large. Grades no collapse.

    >>> import torch
    >>> round(norm_variation(torch.tensor([[1.0, 0.0], [0.0, 3.0]])), 6)
    0.5
    """
    norms = torch.linalg.vector_norm(embeddings(z), dim=1)
    mean = float(norms.mean())
    return float(norms.std(correction=0)) / mean if mean > 0 else 0.0


def zero_rows(z: Tensor) -> float:
    """Share of the rows of z (N, D) that are zero in every dimension.

    In [0, 1]; low is healthy, ideal 0; zeros give 1, any other point 0. A row of zeros is an empty input or a failed
    computation more often than an embedding. Grades no collapse.

    >>> import torch
    >>> zero_rows(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    0.5
    """
    return float((embeddings(z) == 0).all(1).double().mean())
