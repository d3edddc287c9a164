"""Rows that are zero, nearly zero or exploded: how many, which, and how much of the energy they hold."""

from __future__ import annotations

import math

from torch import Tensor

from fullrank.metrics.cloud import Cloud, Rows, as_cloud
from fullrank.metrics.record import MOST, Measurement


def zero_rows(z: Rows) -> float:
    """Share of the rows that are zero in every dimension.

    A zero vector comes from an empty input or a failed computation more often than from the encoder. It does not
    measure collapse.

    Args:
        z: Embeddings (N, D), as rows or a `Cloud`.

    Returns:
        A number in [0, 1]; low is healthy, 0 is ideal; zeros give 1, any other point 0.

    >>> import torch
    >>> zero_rows(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    0.5
    """
    return float(_zero(as_cloud(z)).double().mean())


def _zero(z: Cloud) -> Tensor:
    return z.norms == 0


ZERO_ROWS = Measurement(
    "zero_rows",
    zero_rows,
    "zero vectors",
    "share of all rows",
    "spread",
    of="counts",
    direction="low",
    ideal=0.0,
    range=(0.0, 1.0),
    which=lambda z: _zero(z).nonzero()[:MOST, 0],
    which_are="rows",
)
NEAR_EMPTY_ROWS = Measurement(
    "near_empty_rows",
    lambda sketch: len(sketch.light.index) / (sketch.n // sketch.sample.rows.shape[1] + sketch.left_out),
    "near-empty rows",
    "share of all rows, left out: below a thousandth of the median norm",
    "spread",
    of="sketch",
    direction="low",
    ideal=0.0,
    range=(0.0, 1.0),
    which=lambda sketch: sketch.light.index[:MOST],
    which_are="rows",
)
FAR_SPREAD = Measurement(
    "far_spread",
    lambda sketch: sketch.heavy.spread,
    "spread of exploded rows",
    "distance to their own mean over their length, as a share of the same of the other rows; of three or more",
    "spread",
    of="sketch",
    range=(0.0, math.inf),
    which=lambda sketch: sketch.heavy.index[:MOST],
    which_are="rows",
)
ENERGY_SHARE = Measurement(
    "energy_share",
    lambda sketch: float(sketch.heavy.share.sum()),
    "energy of exploded rows",
    "share of the sum of squared norms, of single rows left out",
    "spread",
    of="sketch",
    direction="low",
    ideal=0.0,
    range=(0.0, 1.0),
    which=lambda sketch: sketch.heavy.index,
    which_are="rows",
)
