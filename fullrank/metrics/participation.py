"""The participation ratio: the squared sum of the eigenvalues over the sum of their squares."""

from __future__ import annotations

from fullrank.metrics.cloud import Cloud, Data, as_cloud
from fullrank.metrics.isotropic import isotropic_hill
from fullrank.metrics.record import MEAN, OF_COVARIANCE, Measurement, rank_record
from fullrank.stats import hill

ESTIMATE_ROUNDING = 1e-13  # of the terms of an estimate: what is left of them below is float64 arithmetic


def plugin_participation_ratio(z: Data) -> float:
    """Participation ratio, plug-in: the squared sum of the covariance eigenvalues over the sum of their squares.

    It is D_2, the Hill number of order 2; IsoScore is (D_2 - 1) / (D - 1). It grows with N as 1 / (1/N + 1/PR): for a
    few hundred rows use `participation_ratio`. Even healthy spectra read low: 1/j decay gives 23 of 256.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, min(N - 1, D)]; high is healthy, D is ideal; total collapse, zeros and one row give 1.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> plugin_participation_ratio(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    1.470...
    """
    return float(hill(as_cloud(z).spectrum, 2))


PLUGIN_PARTICIPATION_RATIO = rank_record(
    "plugin_participation_ratio",
    plugin_participation_ratio,
    "",
    "",
    expected=lambda n, dims: isotropic_hill(n, dims, 2),
    blind_to=MEAN,
    group=None,
)


def participation_ratio(z: Data) -> float:
    """Participation ratio of the distribution behind the rows, unbiased from a single batch of 32 on.

    It is the ratio of Himeno & Yamada's (2014) unbiased estimates of (tr C)^2 and tr C^2, which assume no distribution.
    Moments hold all that it needs, and no eigenvalue is computed. The relative error for one batch of 64 is about 6 %
    (flat spectrum) to 17 % (1/j spectrum). Of rows that are all orthogonal to each other, more than chance makes them,
    it is D. With N < 4, or if one row has all variance, it falls back to `plugin_participation_ratio`.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, D]; high is healthy, D is ideal; total collapse, zeros and one row give 1.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> z = torch.randn(32, 256, generator=torch.Generator().manual_seed(0))
    >>> round(plugin_participation_ratio(z)), round(participation_ratio(z))
    (27, 230)
    """
    return as_cloud(z).once(_unbiased)


def _unbiased(z: Cloud) -> float:
    if z.moments is None:
        trace, trace_of_square = float(z.spectrum.sum()), float(z.spectrum.square().sum())
    else:
        trace, trace_of_square = float(z.moments.scatter.trace()) / max(z.n, 1), float(z.moments.square)
    return unbiased_from(trace, trace_of_square, z.quartic, z.n, z.dims)


def unbiased_from(trace: float, trace_of_square: float, quartic: float, n: int, dims: int) -> float:
    """The unbiased participation ratio from tr C and tr C^2 (C with divisor n) and the sum of fourth powers of the
    norms.

    The norms are those of the centered rows.
    """
    if trace_of_square == 0:
        return 1.0
    plug_in = trace**2 / trace_of_square
    if n < 4:
        return plug_in
    trace, trace_of_square = trace * n / (n - 1), trace_of_square * (n / (n - 1)) ** 2
    fourth = n * quartic / (n - 1)
    squared_trace = 2 * trace_of_square + (n * n - 3 * n + 1) * trace**2 - fourth
    square = (n - 1) * (n - 2) * trace_of_square + trace**2 - fourth
    if squared_trace <= ESTIMATE_ROUNDING * (n * n * trace**2 + fourth):  # one row has all variance: 0 over 0
        return plug_in
    if square <= 0:  # a mean of squares of inner products, which rounding alone puts below 0
        return float(dims)
    return min(max(squared_trace / square, 1.0), float(dims))


PARTICIPATION_RATIO = rank_record(
    "participation_ratio",
    participation_ratio,
    "participation ratio D2",
    "unbiased in N (Himeno & Yamada), centered, not normalized",
    expected=lambda n, dims: float(dims) if n > 3 else isotropic_hill(n, dims, 2),
    blind_to=MEAN,
)


def iso_score(z: Data) -> float:
    """IsoScore: (participation ratio - 1) / (D - 1), the share of directions in use.

    This is exactly the definition of Rudman et al. (2022) by the covariance in its principal axes, without the
    shrinkage of IsoScore*. It is plug-in and centered: perfect data read N / (N + D). Healthy values depend on the
    width.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 1]; high is healthy, 1 is ideal; total collapse, zeros, one row and one dimension give 0.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> round(iso_score(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 4)
    0.4706
    """
    cloud = as_cloud(z)
    return max(plugin_participation_ratio(cloud) - 1, 0.0) / max(cloud.dims - 1, 1)


ISO_SCORE = Measurement(
    name="iso_score",
    function=iso_score,
    title="IsoScore",
    group="spectrum",
    conventions=f"plug-in, {OF_COVARIANCE}",
    of="moments",
    direction="high",
    ideal=1.0,
    collapsed=0.0,
    range=(0.0, 1.0),
    blind_to=MEAN,
    expected=lambda n, dims: (isotropic_hill(n, dims, 2) - 1) / max(dims - 1, 1),
)
