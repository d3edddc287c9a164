"""Metrics of single dimensions that carry nothing, or nothing of their own."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from fullrank.metrics._embeddings import centered
from fullrank.metrics._owners import without_owners
from fullrank.metrics.cloud import Cloud, Data, as_cloud
from fullrank.metrics.head import largest_jump
from fullrank.metrics.outweighing import outweighing
from fullrank.metrics.record import ALL, MOST, OF_COVARIANCE, Measurement

DEAD = 1e-6  # of the largest variance, of those that do not outweigh the rest
ROGUE = 10.0  # times the mean variance, as in vecscope
COPY = 0.999  # absolute correlation
_VANISHING = 1e-200  # squares that may have lost digits
_PROJECTED = 16  # directions in which copies of few rows are looked for first
_BLOCK = 512  # dimensions a block: at most 512 x D correlations at a time


def dead_dimensions(z: Data) -> float:
    """Share of the dimensions whose variance is at most 1e-6 of the largest.

    The dimensions of `outweighing_share` do not count as the largest: beside a huge one the others are small, and not
    dead. At most three rows do not count if each is all that several dimensions vary by. A ReLU backbone normally has
    some dead dimensions. It depends on the axes.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 1]; low is healthy, 0 is ideal; total collapse, zeros and one row give 1.

    Blind to: everything else, including a missing direction that is not an axis.

    >>> import torch
    >>> dead_dimensions(torch.tensor([[1.0, 5.0], [-1.0, 5.0]]))
    0.5
    """
    return len(_all_dead(as_cloud(z))) / as_cloud(z).dims


def _all_dead(z: Cloud) -> Tensor:
    """The dead dimensions, those with the least variance first."""
    judged = z.once(without_owners)
    variance = judged.mean_and_variance[1]
    usual = variance.clone()
    usual[outweighing(judged)] = 0.0
    order = variance.argsort(stable=True)
    return order[variance[order] <= DEAD * usual.max()]


DEAD_DIMENSIONS = Measurement(
    "dead_dimensions",
    dead_dimensions,
    "dead dimensions",
    "variance <= 1e-6 of the largest that does not outweigh the rest",
    "dimensions",
    of="moments",
    direction="low",
    ideal=0.0,
    collapsed=1.0,
    range=(0.0, 1.0),
    blind_to=ALL - {"dead"},
    expected=lambda _n, _dims: 0.0,
    which=lambda z: _all_dead(z)[:MOST],
    which_are="dimensions",
    rotates=False,
)


def duplicate_dimensions(z: Data) -> float:
    """Share of the dimensions that repeat a later one: their absolute correlation is above 0.999.

    Of m copies, m - 1 count; constant dimensions repeat nothing, and neither do those that vary for one row only, if
    such rows are at most three (see `dead_dimensions`). Two rows make every dimension a copy. It depends on
    the axes.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [0, 1]; low is healthy, 0 is ideal; total collapse, zeros and one row give 0, since nothing varies.

    Blind to: everything else, including complete collapse.

    >>> import torch
    >>> duplicate_dimensions(torch.tensor([[1.0, -2.0, 0.0], [0.0, 0.0, 1.0], [-1.0, 2.0, 1.0]]))
    0.333...
    """
    cloud = as_cloud(z)
    return len(cloud.once(_copies)) / cloud.dims


def _copies(cloud: Cloud) -> Tensor:
    """The dimensions that repeat a later one, those with the highest correlation first."""
    z = cloud.once(without_owners)
    highest = torch.zeros(z.dims, dtype=torch.float64)
    for which, block in _correlations(z):
        later = torch.arange(z.dims - block.shape[1], z.dims, device=block.device) > which[:, None]
        highest[which.cpu()] = (block.abs() * later).amax(1).cpu()
    order = highest.argsort(descending=True, stable=True)
    return order[highest[order] > COPY]


DUPLICATE_DIMENSIONS = Measurement(
    "duplicate_dimensions",
    duplicate_dimensions,
    "copied dimensions",
    "|correlation| > 0.999",
    "dimensions",
    of="moments",
    direction="low",
    ideal=0.0,
    collapsed=0.0,
    range=(0.0, 1.0),
    blind_to=ALL - {"duplicate"},
    expected=lambda _n, _dims: 0.0,
    which=lambda z: z.once(_copies)[:MOST],
    which_are="dimensions",
    rotates=False,
)


def rogue_dimension(z: Data) -> float:
    """Largest variance of a dimension over the mean variance of all.

    It depends on the axes. It does not measure collapse: one dimension of a large unit hides the others from every
    distance.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        A number in [1, D]; low is healthy, 1 is ideal; total collapse, zeros and one row give 1.

    >>> import torch
    >>> round(rogue_dimension(torch.tensor([[3.0, 1.0], [-3.0, -1.0]])), 6)
    1.8
    """
    _, variance = as_cloud(z).mean_and_variance
    mean = float(variance.mean())
    return float(variance.max()) / mean if mean > 0 else 1.0


def _rogue(z: Cloud) -> Tensor:
    """The dimensions that outweigh the rest, else the largest, and all others above ten times the mean variance."""
    if len(outweigh := outweighing(z)):
        return outweigh
    variance = z.mean_and_variance[1]
    order = variance.argsort(descending=True, stable=True)
    return order[: max(1, min(int((variance > ROGUE * variance.mean()).sum()), MOST))]


ROGUE_DIMENSION = Measurement(
    "rogue_dimension",
    rogue_dimension,
    "largest variance of a dimension over the mean",
    OF_COVARIANCE,
    "dimensions",
    of="moments",
    direction="low",
    ideal=1.0,
    collapsed=1.0,
    range=(1.0, math.inf),
    which=_rogue,
    which_are="dimensions",
    rotates=False,
)


def dimension_gap(z: Data) -> float:
    """Largest ratio between successive values among the first four variances of the dimensions, in descending order.

    It depends on the axes. It does not measure collapse: it tells up to three rogue dimensions from a smooth decay.

    Args:
        z: Embeddings (N, D), as rows, a `Cloud` or their moments.

    Returns:
        At least 1; low is healthy; total collapse, zeros and one row give 1.

    >>> import torch
    >>> round(dimension_gap(torch.tensor([[3.0, 1.0], [-3.0, -1.0]])))
    9
    """
    _, variance = as_cloud(z).mean_and_variance
    return largest_jump(variance.sort(descending=True).values)


DIMENSION_GAP = Measurement(
    "dimension_gap",
    dimension_gap,
    "largest jump among the first variances",
    "ratio of neighbors, of the first four",
    "dimensions",
    of="moments",
    direction="low",
    collapsed=1.0,
    range=(1.0, math.inf),
    rotates=False,
)


def _correlations(z: Cloud) -> Iterator[tuple[Tensor, Tensor]]:
    """Blocks of dimensions (B,), and their correlations (B, K) with the last K dimensions, which include all later
    ones.
    """
    covariance = _covariance(z)
    if covariance is not None:
        scale = _inverse(covariance.diagonal().sqrt())
        for start in range(0, z.dims, _BLOCK):
            some = torch.arange(start, min(start + _BLOCK, z.dims), device=scale.device)
            yield some, covariance[some, start:] * scale[some, None] * scale[start:]
        return
    x = _unit_columns(z.rows)
    few = 4 * _PROJECTED < len(x) < z.dims
    for start in range(0, z.dims, _BLOCK):
        some = torch.arange(start, min(start + _BLOCK, z.dims), device=x.device)
        some = some[z.once(_near_copies)[some]] if few else some
        if len(some):
            yield some, x[:, some].T @ x[:, start:]


def _covariance(z: Cloud) -> Tensor | None:
    """The covariance of the dimensions, up to a factor, where it is at hand and no square in it has vanished."""
    if z.moments is not None:
        return z.moments.scatter if z.moments.axes is None else None
    if z.scatter.wide or float(z.scatter.gram.diagonal().min()) < _VANISHING:
        return None
    return z.scatter.gram


def _near_copies(z: Cloud) -> Tensor:
    """Which dimensions (D,) may repeat a later one.

    Two columns of correlation c are sqrt(2 - 2 |c|) apart, up to sign, and not further in any 16 directions.
    """
    x = _unit_columns(z.rows)
    noise = torch.randn(len(x), _PROJECTED, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
    few = (torch.linalg.qr(noise.to(x.device))[0].T @ x).float()
    reach = few.square().sum(0) / 2
    found = []
    for start in range(0, x.shape[1], _BLOCK):
        own = slice(start, start + _BLOCK)
        near = (few[:, own].T @ few[:, start:]).abs_().sub_(reach[start:]) > reach[own, None] - (1 - COPY) - 1e-5
        found.append(near.triu_(1).any(1))
    return torch.cat(found)


def _unit_columns(x: Tensor) -> Tensor:
    x = centered(x)
    x = x / x.abs().amax(0).where(x.abs().amax(0) > 0, 1.0)  # so that squares of small ones do not vanish
    return x * _inverse(torch.linalg.vector_norm(x, dim=0))


def _inverse(scale: Tensor) -> Tensor:
    return torch.where(scale > 0, 1 / scale.where(scale > 0, 1.0), 0.0)
