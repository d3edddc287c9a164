"""How many directions take part? The ratio of the squared sum of the eigenvalues to the sum of their squares."""

from __future__ import annotations

from fullrank.metrics.cloud import Cloud, Data, as_cloud
from fullrank.metrics.isotropic import isotropic_hill
from fullrank.metrics.record import MEAN, OF_COVARIANCE, Measurement, rank_record
from fullrank.stats import hill


def plugin_participation_ratio(z: Data) -> float:
    """Participation ratio of z (N, D): (sum of the covariance eigenvalues)^2 / sum of their squares.

    D_2, the Hill number of order 2; IsoScore is (D_2 - 1) / (D - 1). In [1, min(N - 1, D)]; high is healthy,
    ideal D; total collapse, zeros and one row give 1. Grows with N as 1 / (1/N + 1/PR): for a few hundred rows use
    `participation_ratio`. Even healthy spectra read low: 1/j decay gives 23 of 256.
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
    """Participation ratio of the distribution behind z (N, D), right from a single batch of 32 on.

    The ratio of Himeno & Yamada's (2014) unbiased estimates of (tr C)^2 and tr C^2, free of any distribution.
    Moments hold all it needs, and no eigenvalue is computed of them. Cut to [1, D]; high is healthy, ideal D; total
    collapse, zeros and one row give 1. With N < 4, or if an estimate is not positive, the plug-in
    `plugin_participation_ratio` is answered. Relative error of one batch of 64: about 6 % (flat) to 17 % (1/j spectra).
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
    """The same from tr C and tr C^2, C with divisor n, and the sum of the fourth powers of the centered norms."""
    if trace_of_square == 0:
        return 1.0
    plug_in = trace**2 / trace_of_square
    if n < 4:
        return plug_in
    trace, trace_of_square = trace * n / (n - 1), trace_of_square * (n / (n - 1)) ** 2
    fourth = n * quartic / (n - 1)
    squared_trace = 2 * trace_of_square + (n * n - 3 * n + 1) * trace**2 - fourth
    square = (n - 1) * (n - 2) * trace_of_square + trace**2 - fourth
    if squared_trace <= 0 or square <= 0:
        return plug_in
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
    """IsoScore of z (N, D): (participation ratio - 1) / (D - 1), the share of directions used, from 0 to 1.

    Rudman et al.'s (2022) definition by the covariance in its principal axes is this, exactly; without the shrinkage
    of IsoScore*. In [0, 1]; high is healthy, ideal 1; total collapse, zeros and one row give 0, and so does one
    dimension. Plug-in, centered: perfect data read N / (N + D). Healthy values depend on the width. Blind to:
    complete collapse and the cone.

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
