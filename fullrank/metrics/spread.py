"""Spread and cone: whether the embeddings differ at all."""

from __future__ import annotations

import math

import torch

from fullrank.metrics.cloud import Cloud, Data, Rows, as_cloud
from fullrank.metrics.record import OF_UNIT, WITHIN, Measured, Measurement, Measurements

FEW_NEGATIVE = 0.01  # share of the values up to which the others are of one sign (ours)


def relative_spread(z: Data) -> float:
    """Root mean square distance from the mean, as a share of the root mean square norm.

    It is sqrt(tr C / (tr C + |mean|^2)), with C the covariance of divisor N. It is free of scale, but not of
    translation: it is the one number that tells a tiny ball far from the origin from a healthy cloud. Features after a
    batch norm give 1 by construction.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 1]; high is healthy, 1 is ideal; total collapse, zeros and one row give 0.

    Blind to: dimensional and cluster collapse, dead and duplicate dimensions.

    >>> import torch
    >>> relative_spread(torch.tensor([[1.0, 1.0], [1.0, -1.0]])) ** 2
    0.5...
    """
    mean, variance = as_cloud(z).mean_and_variance
    total = float(variance.sum() + mean.square().sum())
    return math.sqrt(float(variance.sum()) / total) if total > 0 else 0.0


RELATIVE_SPREAD = Measurement(
    "relative_spread",
    relative_spread,
    "relative spread",
    "about the origin, divisor N",
    "spread",
    of="moments",
    direction="high",
    ideal=1.0,
    collapsed=0.0,
    range=(0.0, 1.0),
    interval="jackknife",
    blind_to=WITHIN,
    expected=lambda n, _dims: math.sqrt(1 - 1 / n),
)


def mean_cosine(z: Data) -> float:
    """Mean cosine over all pairs of different rows, unbiased, in O(N D).

    It is (|sum u|^2 - N) / (N (N - 1)), with u the rows scaled to length 1. A high value need not be an error: a low
    temperature makes a cone on purpose. Ethayarajh (2019) calls it "anisotropy".

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [-1 / (N - 1), 1]; low is healthy, 0 is ideal; total collapse, one row and zeros give 1, since two
            zero vectors count as one point.

    Blind to: dimensional and cluster collapse, dead and duplicate dimensions.

    >>> import torch
    >>> mean_cosine(torch.tensor([[2.0, 0.0], [0.0, 5.0], [0.0, 1.0]]))  # one pair of three agrees
    0.333...
    """
    return as_cloud(z).once(_mean_cosine)


def _mean_cosine(z: Cloud) -> float:
    n = z.n
    if n < 2:
        return 1.0
    if z.moments is not None:
        return min((n * float(z.unit_mean_and_variance[0].square().sum()) - 1) / (n - 1), 1.0)
    zeros = int((z.norms == 0).sum())
    total = torch.where(z.norms > 0, 1 / z.norms, 0.0) @ z.rows  # of the rows at length 1
    pairs = float(total.square().sum()) - (n - zeros) + zeros * (zeros - 1)
    return pairs / (n * (n - 1))


MEAN_COSINE = Measurement(
    "mean_cosine",
    mean_cosine,
    "mean cosine",
    f"{OF_UNIT}, all pairs, unbiased",
    "spread",
    of="directions",
    direction="low",
    ideal=0.0,
    collapsed=1.0,
    range=(-1.0, 1.0),
    interval="jackknife",
    blind_to=WITHIN,
    expected=lambda _n, _dims: 0.0,
    of_pairs=True,
)


def negative_share(z: Rows) -> float:
    """Share of all values that are below zero.

    It depends on the axes. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in [0, 1]; no value is healthy: about half of a signed embedding, and next to none of features after a
            ReLU.

    >>> import torch
    >>> negative_share(torch.tensor([[1.0, -1.0], [0.0, 2.0]]))
    0.25
    """
    rows = as_cloud(z).rows
    return int((rows < 0).count_nonzero()) / rows.numel()


NEGATIVE_SHARE = Measurement(
    "negative_share",
    negative_share,
    "negative values",
    "share of all values",
    "spread",
    of="rows",
    range=(0.0, 1.0),
    rotates=False,
)


def zero_values(z: Rows) -> float:
    """Share of all values that are exactly 0, as a ReLU makes them; it depends on the axes.

    >>> import torch
    >>> zero_values(torch.tensor([[1.0, -1.0], [0.0, 2.0]]))
    0.25
    """
    rows = as_cloud(z).rows
    return int((rows == 0).count_nonzero()) / rows.numel()


ZERO_VALUES = Measurement(
    "zero_values",
    zero_values,
    "values that are 0",
    "exactly, share of all values",
    "spread",
    of="rows",
    range=(0.0, 1.0),
    rotates=False,
)


def _cosine_excess(found: Measurements, _n: int, _dims: int) -> Measured | None:
    """How far a mean cosine is above the one that the signs of the features explain, as a share of the rest up to 1.

    Half-normal features have 2 / pi.
    """
    if "mean_cosine" not in found or "negative_share" not in found:
        return None
    cosine = found["mean_cosine"]
    negative = found["negative_share"].value
    usual = 2 / math.pi if min(negative, 1 - negative) <= FEW_NEGATIVE else 0.0
    value, low, high = (
        None if end is None else (end - usual) / (1 - usual) for end in (cosine.value, cosine.low, cosine.high)
    )
    assert value is not None
    return Measured("cosine_excess", value, low, high, null=0.0, healthy=0.0, sampled=cosine.sampled)


COSINE_EXCESS = Measurement(
    "cosine_excess",
    _cosine_excess,
    "mean cosine beyond that of the signs",
    "0: 2 / pi if the values have one sign, else 0; 1: 1",
    "spread",
    of="derived",
    direction="low",
    ideal=0.0,
    range=(-math.inf, 1.0),
)


def dimension_std(z: Data) -> float:
    """Mean over dimensions of the standard deviation of rows scaled to length 1, times sqrt(D).

    This is SimSiam's collapse curve (Chen & He, 2021, section 4.1) times sqrt(D), so that 1 is isotropic at any width
    (the paper plots 1 / sqrt(D)); with divisor N it is never above 1. It depends on the axes, not on the cloud alone.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 1]; high is healthy, 1 is ideal; total collapse, zeros and one row give 0.

    Blind to: dimensional collapse (rank 16 of 256 gives 0.985), clusters, duplicate dimensions.

    >>> import torch
    >>> dimension_std(torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]]))
    1.0...
    """
    deviations = as_cloud(z).unit_mean_and_variance[1].sqrt()
    return float(deviations.mean()) * math.sqrt(len(deviations))


DIMENSION_STD = Measurement(
    "dimension_std",
    dimension_std,
    "SimSiam std x sqrt(D)",
    f"{OF_UNIT}, divisor N",
    "spread",
    of="directions",
    direction="high",
    ideal=1.0,
    collapsed=0.0,
    range=(0.0, 1.0),
    interval="jackknife",
    blind_to=WITHIN - {"dead"},
    rotates=False,
)


def row_norm(z: Data) -> float:
    """Root mean square norm of the rows, in the unit they came in.

    It is the one number here that sees embeddings shrink to the origin or grow without bound, which no other does. It
    does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        At least 0; no value is healthy for certain; zeros give 0.

    >>> import torch
    >>> row_norm(torch.tensor([[3.0, 4.0], [3.0, -4.0]]))
    5.0
    """
    cloud = as_cloud(z)
    mean, variance = cloud.mean_and_variance
    return cloud.scale * math.sqrt(float(variance.sum() + mean.square().sum()))


ROW_NORM = Measurement(
    "row_norm",
    row_norm,
    "norm of the rows",
    "root mean square, in the unit of the rows as they came",
    "spread",
    of="moments",
    range=(0.0, math.inf),
    interval="jackknife",
    scales=True,
)


def norm_variation(z: Rows) -> float:
    """Standard deviation of the norms of the rows over their mean.

    A few exploded rows make it large. It does not measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        At least 0; no value is healthy for certain; rows of one length, total collapse, zeros and one row give 0.

    >>> import torch
    >>> round(norm_variation(torch.tensor([[1.0, 0.0], [0.0, 3.0]])), 6)
    0.5
    """
    norms = as_cloud(z).norms
    mean = float(norms.mean())
    return float(norms.std(correction=0)) / mean if mean > 0 else 0.0


NORM_VARIATION = Measurement(
    "norm_variation",
    norm_variation,
    "variation of the norms",
    "standard deviation over mean",
    "spread",
    of="rows",
    collapsed=0.0,
    range=(0.0, math.inf),
)
