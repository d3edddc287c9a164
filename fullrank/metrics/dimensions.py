"""Single dimensions that carry nothing, or nothing of their own."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import centered, embeddings, mean_and_variance, without_rounding
from fullrank.stats import Moments

DEAD = 1e-6  # of the largest variance
COPY = 0.999  # absolute correlation
_HEAD = 3  # directions at most that stand before the rest
_BLOCK = 512  # dimensions a block: at most 512 x D correlations at a time
_PROJECTED = 16  # directions in which copies of few rows are looked for first


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
    if isinstance(z, Moments):
        if z.axes is not None:
            raise UserError(
                "Moments of fewer rows than dimensions do not know how dimensions correlate: pass the rows."
            )
        return sum(_copies(block) for block in _correlations(z)) / z.dims
    x = _unit_columns(z)
    n, dims = x.shape
    if n <= 4 * _PROJECTED or n >= dims:
        return sum(_copies(x[:, at : at + _BLOCK].T @ x[:, at:]) for at in range(0, dims, _BLOCK)) / dims
    return sum(_copies(x[:, some].T @ x[:, at:], some - at) for at, some in _candidates(x)) / dims


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


def _copies(correlations: Tensor, own: Tensor | None = None) -> int:
    """How many rows (B, D - start) correlate with a later column; own (B,): their own columns, by default the first."""
    own = torch.arange(len(correlations), device=correlations.device) if own is None else own
    later = torch.arange(correlations.shape[1], device=correlations.device) > own[:, None]
    return int(((correlations.abs() > COPY) & later).any(1).sum())


def _candidates(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Of each block of dimensions its start and those that may repeat a later one, of unit columns x (N, D).

    Two columns of correlation c are sqrt(2 - 2 |c|) apart, up to sign, and no more than that in any 16 directions.
    """
    noise = torch.randn(len(x), _PROJECTED, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    few = (torch.linalg.qr(noise.to(x.device))[0].T @ x).float()
    reach = few.square().sum(0) / 2
    for start in range(0, x.shape[1], _BLOCK):
        own = slice(start, start + _BLOCK)
        near = (few[:, own].T @ few[:, start:]).abs_().sub_(reach[start:]) > reach[own, None] - (1 - COPY) - 1e-5
        some = near.triu_(1).any(1).nonzero()[:, 0]
        if len(some):
            yield start, start + some


def _correlations(z: Moments) -> Iterator[Tensor]:
    """Correlations (B, D - start) of the dimensions from `start` on with themselves and all later ones."""
    covariance = without_rounding(z).covariance
    scale = _inverse(covariance.diagonal().sqrt())
    for start in range(0, len(scale), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield covariance[rows, start:] * scale[rows, None] * scale[start:]


def _unit_columns(z: Tensor) -> Tensor:
    x = centered(embeddings(z))
    x = x / x.abs().amax(0).where(x.abs().amax(0) > 0, 1.0)  # so that squares of small ones do not vanish
    return x * _inverse(torch.linalg.vector_norm(x, dim=0))


def _inverse(scale: Tensor) -> Tensor:
    return torch.where(scale > 0, 1 / scale.where(scale > 0, 1.0), 0.0)
