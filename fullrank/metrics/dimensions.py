"""Single dimensions that carry nothing, or nothing of their own."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fullrank.metrics._embeddings import centered, embeddings, mean_and_variance, without_rounding
from fullrank.stats import Moments

DEAD = 1e-6  # of the largest variance
COPY = 0.999  # absolute correlation
_HEAD = 3  # directions at most that stand before the rest
_BLOCK = 512  # dimensions a block: at most 512 x D correlations at a time


def dead_dimensions(z: Tensor | Moments) -> float:
    """Share of the dimensions of z (N, D) whose variance is at most 1e-6 of the largest.

    In [0, 1]; low is healthy, ideal 0; total collapse, zeros and one row give 1. A ReLU backbone has some by
    right. Depends on the axes. Blind to: everything else, also to a missing direction that is not an axis.

    >>> import torch
    >>> dead_dimensions(torch.tensor([[1.0, 5.0], [-1.0, 5.0]]))
    0.5
    """
    _, variance = mean_and_variance(z)
    return float((variance <= DEAD * variance.max()).double().mean())


def duplicate_dimensions(z: Tensor | Moments) -> float:
    """Share of the dimensions of z (N, D) that repeat a later one: absolute correlation above 0.999.

    Of m copies m - 1 count; constant dimensions repeat nothing. In [0, 1]; low is healthy, ideal 0; total
    collapse, zeros and one row give 0 (nothing varies). Two rows make every dimension a copy. Depends on the axes.
    Blind to: everything else, complete collapse too.

    >>> import torch
    >>> duplicate_dimensions(torch.tensor([[1.0, -2.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 2.0, 1.0]]))
    0.333...
    """
    copies = 0
    for block in _correlations(z):
        copies += int((block.abs().triu(1) > COPY).any(1).sum())
    return copies / (z.dims if isinstance(z, Moments) else z.shape[1])


def rogue_dimension(z: Tensor | Moments) -> float:
    """Largest variance of a dimension of z (N, D) over the mean variance of all.

    In [1, D]; low is healthy, ideal 1; total collapse, zeros and one row give 1. Depends on the axes. Grades no
    collapse: one dimension of a large unit hides the others from every distance.

    >>> import torch
    >>> round(rogue_dimension(torch.tensor([[3.0, 1.0], [-3.0, -1.0]])), 6)
    1.8
    """
    _, variance = mean_and_variance(z)
    mean = float(variance.mean())
    return float(variance.max()) / mean if mean > 0 else 1.0


def dimension_gap(z: Tensor | Moments) -> float:
    """Largest ratio of neighbors among the first four variances of the dimensions of z (N, D), descending.

    At least 1; low is healthy; total collapse, zeros and one row give 1. Depends on the axes. Grades no collapse: it
    tells up to three rogue dimensions from a smooth decay.

    >>> import torch
    >>> round(dimension_gap(torch.tensor([[3.0, 1.0], [-3.0, -1.0]])))
    9
    """
    _, variance = mean_and_variance(z)
    return largest_jump(variance.clamp_min(0.0).sort(descending=True).values)


def largest_jump(values: Tensor) -> float:
    """The largest ratio of two neighbors among the first four values, descending; 1 where no two are above zero.

    >>> largest_jump(torch.tensor([8.0, 2.0, 1.0, 0.0]))
    4.0
    """
    first = values[: _HEAD + 1]
    first = first[first > first[:1] * 1e-12] if len(first) else first
    ratios = first[:-1] / first[1:]
    return float(ratios.max()) if len(ratios) else 1.0


def _correlations(z: Tensor | Moments) -> Iterator[Tensor]:
    """Correlations (B, D - start) of the dimensions from `start` on with themselves and all later ones."""
    if isinstance(z, Moments):
        covariance = without_rounding(z).covariance
        scale = _inverse(covariance.diagonal().sqrt())
        for start in range(0, len(scale), _BLOCK):
            rows = slice(start, start + _BLOCK)
            yield covariance[rows, start:] * scale[rows, None] * scale[start:]
        return
    x = centered(embeddings(z))
    x = x / x.abs().amax(0).where(x.abs().amax(0) > 0, 1.0)  # so that squares of small ones do not vanish
    x = x * _inverse(torch.linalg.vector_norm(x, dim=0))
    for start in range(0, x.shape[1], _BLOCK):
        yield x[:, start : start + _BLOCK].T @ x[:, start:]


def _inverse(scale: Tensor) -> Tensor:
    return torch.where(scale > 0, 1 / scale.where(scale > 0, 1.0), 0.0)
