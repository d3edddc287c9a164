"""Whether the rows of two embeddings are the same samples, and what differs besides a rotation and a scale."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import centered, embeddings, on_one_scale, with_magnitude
from fullrank.metrics._pairs import neighbors, sampled, with_broken_ties
from fullrank.metrics.cloud import Rows, as_given
from fullrank.stats import ROUNDING, normalize

_ANCHORS = 512  # rows that the others are described by
_UNTURNED = 0.99  # cosine of two clouds' deviations from which they are in one space
_HINT = 1e-6  # weight of the means in finding a rotation
_TIE = 1e-9  # similarities in [-1, 1] that are nearer than this are equal up to rounding


def matched_ranks(z1: Rows, z2: Rows, *, seed: int = 0) -> Tensor:
    """How far each row of z2 stands out as the partner of its row of z1.

    A row is described by its cosines, about the mean, to up to 512 anchors, which are the same samples in both
    embeddings (the relative representations of Moschella et al., 2023). Its rank is the share of the other rows of z1
    whose description is less similar to that of the row in z2 than its own is; ties count half. The metric is ours. It
    needs no alignment, no equal widths and no common space. Rows that do not correspond have ranks that are uniform in
    [0, 1], so twice the share below 0.5 estimates how many they are (`misplaced`). One half of the rows serves as the
    anchors of the other.

    Args:
        z1: Embeddings (N, D1), as rows or a `Cloud`.
        z2: Embeddings (N, D2) of the same samples.
        seed: Decides the halves.

    Returns:
        Ranks (N,) in [0, 1]: 1 is best, 0.5 is chance; total collapse gives 0.5.

    Raises:
        UserError: The numbers of rows differ, or there are fewer than 8.

    Blind to: rows that changed places with similar rows; rotation, scale and mean.

    >>> z = torch.randn(100, 5, generator=torch.Generator().manual_seed(0))
    >>> float(matched_ranks(z, -3 * z + 1).mean()), round(float(matched_ranks(z, z.flip(0)).mean()), 1)
    (1.0, 0.5)
    """
    x, y = _both(z1, z2)
    if len(x) < 8:
        raise UserError(f"There are {len(x)} rows: pass 8 or more.")
    x, y = normalize(centered(x)), normalize(centered(y))
    ranks = x.new_empty(len(x))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed)).to(x.device)
    halves = order.chunk(2)
    for rows, others in (halves, halves[::-1]):
        anchors = others[:_ANCHORS]
        old, new = (_standard(u[rows] @ u[anchors].T) for u in (x, y))
        alike = new @ old.T
        ahead = alike.diagonal()[:, None] - alike
        score = (ahead > _TIE).double() + 0.5 * (ahead.abs() <= _TIE).double()
        ranks[rows] = (score.sum(1) - 0.5) / (len(rows) - 1)
    return ranks


def misplaced(ranks: Tensor) -> float:
    """Share of the rows that do not correspond: twice the share of their `matched_ranks` below 0.5, at most 1.

    Args:
        ranks: Ranks (N,).

    Returns:
        A number in [0, 1]; 0 is ideal; permuted rows give about 1, and half of the rows permuted about 0.5.

    >>> misplaced(torch.tensor([0.9, 1.0, 0.3, 0.8]))
    0.5
    """
    return min(1.0, 2 * float((ranks < 0.5).double().mean() + 0.5 * (ranks == 0.5).double().mean()))


def matched_cosine(z1: Rows, z2: Rows) -> float:
    """Mean cosine of a row of z1 and the same row of z2: can one index hold vectors of both?

    Args:
        z1: Embeddings (N, D), as rows or a `Cloud`.
        z2: Embeddings (N, D) of the same samples.

    Returns:
        A number in [-1, 1]; 1 is ideal; zero vectors give 0.

    Raises:
        UserError: The shapes differ.

    Blind to: the norms; and that all rows may point the same way, when rows of different samples have high cosines too.

    >>> matched_cosine(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    x, y = _one_width(z1, z2)
    return float((normalize(x) * normalize(y)).sum(1).mean())


def index_overlap(z1: Rows, z2: Rows, *, k: int = 10, seed: int = 0) -> float:
    """Share of the k nearest rows of z1 that the row of z1 and the row of z2 of the same sample both find, by cosine.

    It says what becomes of an index of old vectors z1 that is searched with new ones z2; the row itself is among the k.

    Args:
        z1: Embeddings (N, D), as rows or a `Cloud`.
        z2: Embeddings (N, D) of the same samples.
        k: Number of neighbors, at least 1.
        seed: Draws the sample where there are more than 8,192 rows.

    Returns:
        A number in [0, 1]; 1 is ideal; a rotation gives about k / N, though it changes nothing among the rows of z2.

    Raises:
        UserError: The shapes differ, or k is below 1.

    Blind to: the norms.

    >>> z = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    >>> index_overlap(z, 2 * z), index_overlap(z, -z) < 0.1
    (1.0, True)
    """
    x, y = _one_width(z1, z2)
    if k < 1:
        raise UserError(f"k is {k}: pass 1 or more neighbors.")
    rows = sampled(len(x), seed).to(x.device)
    x, y = normalize(x[rows]), normalize(y[rows])
    k = min(k, len(x))
    index = with_broken_ties(x, seed)
    both = torch.cat([neighbors(index, k, queries=queries)[1] for queries in (index, y)], 1).sort(1).values
    return float((both[:, 1:] == both[:, :-1]).sum()) / (len(x) * k)


def turned(z1: Rows, z2: Rows) -> tuple[Tensor, Tensor]:
    """Both embeddings, after the rotation and scale that bring the deviations of z1 closest to those of z2.

    This is orthogonal Procrustes (Schoenemann, 1966) about the two means; where no deviation determines the rotation,
    the mean does. Nothing is rotated if the cosine of the deviations as wholes is 0.99 or more. With fewer rows than
    dimensions a rotation fits anything.

    Args:
        z1: Embeddings (N, D1), as rows or a `Cloud`.
        z2: Embeddings (N, D2) of the same samples.

    Returns:
        z1 after the transformation and z2, both (N, K), in coordinates of their rows that keep all distances and
            angles.

    >>> z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    >>> old, new = turned(z, -2 * z.flip(1) + 1)
    >>> round(float((old - new).square().sum(1).mean().sqrt()), 3)  # the length of the moved mean
    1.732
    """
    x, y = _both(z1, z2)
    unit = float(with_magnitude(as_given(z2))[1]) or 1.0
    a, b = centered(x), centered(y)
    length = float(torch.linalg.vector_norm(a)) * float(torch.linalg.vector_norm(b))
    if x.shape == y.shape and float((a * b).sum()) >= _UNTURNED * length:
        return x * (float((a * b).sum()) / max(float(a.square().sum()), 1e-300) * unit), y * unit
    if len(x) < max(x.shape[1], y.shape[1]):
        x, y = (torch.linalg.qr(side.T, mode="r").R.T for side in (x, y))
    width = max(x.shape[1], y.shape[1])
    x, y = (torch.nn.functional.pad(side, (0, width - side.shape[1])) for side in (x, y))
    a, b = x - x.mean(0), y - y.mean(0)
    left, values, right = torch.linalg.svd(a.T @ b + _HINT * len(x) * torch.outer(x.mean(0), y.mean(0)))
    return x @ (left @ right) * (float(values.sum()) / max(float(a.square().sum()), 1e-300) * unit), y * unit


def mean_shift(z1: Rows, z2: Rows) -> float:
    """How far the mean of z2 lies from that of z1, in units of the root total variance of z2.

    Take it of `turned` embeddings if the second space may be rotated.

    Args:
        z1: Embeddings (N, D), as rows or a `Cloud`.
        z2: Embeddings (M, D).

    Returns:
        At least 0; 0 is ideal; a mean that moved by t standard deviations in every dimension gives t; infinity if z2
            is one point elsewhere.

    Raises:
        UserError: The widths differ.

    Blind to: all but the means.

    >>> z = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    >>> round(mean_shift(z, z + 0.5), 1), round(mean_shift(*turned(z, 2 * z.flip(1))), 6)
    (0.5, 0.0)
    """
    x, y = on_one_scale(as_given(z1), as_given(z2))
    apart = float(torch.linalg.vector_norm(x.mean(0) - y.mean(0)))
    spread = float(centered(y).square().sum(1).mean().sqrt())
    if spread > 0:
        return apart / spread
    return 0.0 if apart <= ROUNDING * float(torch.linalg.vector_norm(y.mean(0))) else math.inf


def _standard(similarity: Tensor) -> Tensor:
    """Descriptions (n, anchors) at mean zero and length 1."""
    return normalize(similarity - similarity.mean(1, keepdim=True))


def _both(z1: Rows, z2: Rows) -> tuple[Tensor, Tensor]:
    x, y = embeddings(as_given(z1)), embeddings(as_given(z2))
    if len(x) != len(y):
        raise UserError(f"There are {len(x)} and {len(y)} rows: pass two embeddings of the same samples.")
    return x, y


def _one_width(z1: Rows, z2: Rows) -> tuple[Tensor, Tensor]:
    x, y = _both(z1, z2)
    if x.shape != y.shape:
        raise UserError(f"The rows have {x.shape[1]} and {y.shape[1]} dimensions: pass embeddings of one width.")
    return x, y
