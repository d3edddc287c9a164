"""Rows that hold nearly all of the variance of several dimensions: dimensions are judged without them."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.metrics.cloud import Cloud
from fullrank.stats import moments, without

_ALONE = 0.9  # ours: share of a dimension's variance that one row holds
_SEVERAL = 0.01  # ours: share of the dimensions of which it does so, and at least two
_MOST = 3  # ours: more such rows are what the data is like, as where each row has a word of its own
_FEWEST = 16  # rows; of fewer, one holds much by chance
_ROUNDING = 1e-12  # of a sum of squares that was taken from another


def without_owners(z: Cloud) -> Cloud:
    """The cloud without at most three rows each of which is all that two dimensions or 1 % of them vary by.

    Mostly it is the same cloud. Moments must know their rows, or a sample of them.

    >>> z = torch.zeros(32, 4)
    >>> z[:, :2] = torch.randn(32, 2)
    >>> z[5] = 1.0
    >>> len(without_owners(Cloud(z)).rows)
    31
    """
    for _ in range(_MOST):
        rows = z.known_rows
        owner = None if rows is None or z.n < _FEWEST else _owner(z, rows)
        if rows is None or owner is None:
            return z
        z = _without(z, rows, owner)
    return z


def _owner(z: Cloud, rows: Tensor) -> int | None:
    """The row that owns the most dimensions, if they are enough."""
    mean, variance = (side.to(rows.device) for side in z.mean_and_variance)
    high, low = rows.max(0), rows.min(0)
    above, below = high.values.double() - mean, mean - low.values.double()
    farthest = torch.where(above > below, high.indices, low.indices)
    owned = (variance > 0) & (torch.maximum(above, below).square() > _ALONE * z.n * variance)
    counts = farthest[owned].bincount(minlength=1)
    return int(counts.argmax()) if int(counts.max()) >= max(2, _SEVERAL * z.dims) else None


def _without(z: Cloud, rows: Tensor, owner: int) -> Cloud:
    stays = torch.arange(len(rows), device=rows.device) != owner
    if z.moments is None or z.moments.axes is not None:
        return Cloud(rows[stays], seed=z.seed)
    left = without(z.moments, moments(rows[owner, None].double()))
    lost = left.scatter.diagonal() <= _ROUNDING * z.moments.scatter.diagonal()
    left.scatter[lost], left.scatter[:, lost] = 0.0, 0.0
    return Cloud(left, some=rows[stays], seed=z.seed)
