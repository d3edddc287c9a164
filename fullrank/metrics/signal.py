"""How many directions stand above the noise: where the spectrum falls off steeply."""

from __future__ import annotations

import math

from fullrank.metrics.cloud import Data, as_cloud
from fullrank.metrics.record import MEAN, OF_COVARIANCE, Measurement

_CLIFF = 30.0  # ours: times that an eigenvalue falls to the next; healthy spectra fall 8 times at most
_HEAD = 3  # directions that may stand before the rest, which is another kind
_PART = 0.75  # of the spectrum: with few rows its end falls by itself


def signal_rank(z: Data) -> float:
    """The number of covariance eigenvalues before the spectrum falls by a factor of 30 from one to the next.

    Noise that fills the other directions does not raise it, as it raises every rank that is a mean.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number from 1 to min(N - 1, D), which it is where there is no such fall; high is healthy; total collapse,
            zeros and one row give 1.

    Blind to: noise within a factor of 30 of the smallest direction that was kept, a spectrum that falls smoothly, and
        falls in the last quarter, or after the first three directions with anything behind them. Complete collapse and
        the cone do not move it.

    >>> import torch
    >>> z = torch.randn(500, 64, generator=torch.Generator().manual_seed(0))
    >>> signal_rank(z), signal_rank(torch.cat([z[:, :8], 0.05 * z[:, 8:]], 1))
    (64.0, 8.0)
    """
    cloud = as_cloud(z)
    values = cloud.spectrum
    possible = min(cloud.n - 1, cloud.dims)
    if possible < 1 or not bool(values[0] > 0):
        return 1.0
    least = 1e-12 * float(values[0])
    if possible > _HEAD and not bool(values[_HEAD] > least):  # nothing at all is behind the first
        return float((values > least).sum())
    values = values[: max(int(_PART * possible), 1) + 1].clamp_min(least)
    ratios = (values[:-1] / values[1:])[_HEAD:]
    if len(ratios) == 0 or float(ratios.max()) <= _CLIFF:
        return float(possible)
    return float(ratios.argmax()) + _HEAD + 1


def signal_share(z: Data) -> float:
    """`signal_rank` over min(N - 1, D), in (0, 1].

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Blind to: what `signal_rank` is blind to.

    >>> import torch
    >>> signal_share(torch.eye(9))
    1.0
    """
    cloud = as_cloud(z)
    return signal_rank(z) / max(min(cloud.n - 1, cloud.dims), 1)


_HOW = f"eigenvalues before a fall of {_CLIFF:.0f} times, {OF_COVARIANCE}"

SIGNAL_RANK = Measurement(
    *("signal_rank", signal_rank, "directions above the noise", _HOW, "spectrum"),
    of="moments",
    direction="high",
    times_dims=True,
    ideal=1.0,
    range=(1.0, math.inf),
    no_interval="a count",
)

SIGNAL_SHARE = Measurement(
    *(
        "signal_share",
        signal_share,
        "directions above the noise, share of what is possible",
        "over min(N - 1, D)",
        "spectrum",
    ),
    of="moments",
    direction="high",
    ideal=1.0,
    range=(0.0, 1.0),
    blind_to=MEAN,
    no_interval="a count",
)
