"""The condition number of the covariance."""

from __future__ import annotations

import math

from fullrank.metrics.cloud import Data, as_cloud
from fullrank.metrics.isotropic import isotropic_spectrum
from fullrank.metrics.record import MEAN, Measurement


def condition_number(z: Data) -> float:
    """Condition number of the covariance: the largest over the smallest of its D eigenvalues.

    That of the centered embedding matrix is its root. It is meant for whitening losses; elsewhere one weak direction of
    many decides it.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, inf]; low is healthy, 1 is ideal; infinite when the covariance is singular (total collapse,
            zeros, N <= D, dead or duplicate dimensions), and never NaN.

    Blind to: complete collapse and the cone.

    >>> import torch
    >>> condition_number(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    4.0
    """
    cloud = as_cloud(z)
    values = cloud.spectrum
    smallest = float(values[-1]) if len(values) == cloud.dims else 0.0
    return float(values[0]) / smallest if smallest > 0 else math.inf


def _largest_over_smallest(n: int, dims: int) -> float:
    spectrum = isotropic_spectrum(n, dims)
    return float(spectrum[0] / spectrum[-1]) if n > dims else math.inf


CONDITION_NUMBER = Measurement(
    name="condition_number",
    function=condition_number,
    of="moments",
    direction="low",
    ideal=1.0,
    collapsed=math.inf,
    range=(1.0, math.inf),
    blind_to=MEAN,
    expected=_largest_over_smallest,
)
