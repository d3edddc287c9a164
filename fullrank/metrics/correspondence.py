"""Are the rows of two embeddings the same samples, and what has moved beside a rotation and a scale?"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import centered, embeddings, require_one_width
from fullrank.metrics._pairs import by_lot, neighbors, sampled
from fullrank.stats import normalize

_ANCHORS = 512  # rows that the others are described by
_UNTURNED = 0.99  # cosine of two clouds' deviations from which they are in one space
_HINT = 1e-6  # weight of the means in finding a rotation
_TIE = 1e-9  # similarities in [-1, 1] that are nearer than this are equal up to rounding


def matched_ranks(z1: Tensor, z2: Tensor, *, seed: int = 0) -> Tensor:
    """How far each row of z2 (N, D2) stands out as the partner of its row of z1 (N, D1): (N,), 1 is best, 0.5 chance.

    A row is described by its cosines, about the mean, to up to 512 anchors, which are the same samples in both (the
    relative representations of Moschella et al., 2023); its rank is the share of the other rows of z1 whose description
    is less like that of the row in z2 than its own is, ties counting half. Ours; it needs no alignment, and neither
    equal widths nor one space. Rows that do not correspond have ranks that are uniform in [0, 1], so that twice the
    share below 0.5 estimates how many they are (`misplaced`). One half of the rows, drawn by `seed`, is the anchors of
    the other. Total collapse gives 0.5. UserError for other numbers of rows, or fewer than 8. Blind to: rows that
    changed places with their like; rotation, scale and mean.

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
    """Share of the rows that do not correspond, from their `matched_ranks` (N,): twice the share below 0.5, at most 1.

    In [0, 1]; 0 is ideal; permuted rows give about 1, half of them permuted 0.5.

    >>> misplaced(torch.tensor([0.9, 1.0, 0.3, 0.8]))
    0.5
    """
    return min(1.0, 2 * float((ranks < 0.5).double().mean() + 0.5 * (ranks == 0.5).double().mean()))


def matched_cosine(z1: Tensor, z2: Tensor) -> float:
    """Mean cosine of a row of z1 (N, D) and the same row of z2 (N, D): can one index hold vectors of both?

    In [-1, 1]; 1 is ideal; rows of zeros give 0. Blind to: the norms; that all rows may point the same way, where
    rows of different samples have high cosines too. UserError for other shapes.

    >>> matched_cosine(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0], [1.0, 0.0]]))
    0.5
    """
    x, y = _one_width(z1, z2)
    return float((normalize(x) * normalize(y)).sum(1).mean())


def index_overlap(z1: Tensor, z2: Tensor, *, k: int = 10, seed: int = 0) -> float:
    """Share of the k nearest rows of z1 (N, D), by cosine, that a row of z2 (N, D) finds as its own row of z1 does.

    What becomes of an index of old vectors z1 that is searched with new ones z2; the row itself is among the k. In [0,
    1]; 1 is ideal; a rotation gives about k / N, though it changes nothing between the rows of z2. Above 8,192 rows, of
    a sample drawn by `seed`. Blind to: the norms. UserError for other shapes, and for k below 1.

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
    index = by_lot(x, seed)
    both = torch.cat([neighbors(index, k, queries=queries)[1] for queries in (index, y)], 1).sort(1).values
    return float((both[:, 1:] == both[:, :-1]).sum()) / (len(x) * k)


def turned(z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
    """z1 (N, D1) after the rotation and scale that bring its deviations next to those of z2 (N, D2), and z2: (N, K).

    Orthogonal Procrustes (Schoenemann, 1966) about the two means; where no deviation tells how to turn, the mean does.
    Both come in coordinates of their own rows, which keep all distances and angles. Without need nothing is turned: if
    the cosine of the deviations as wholes is 0.99. With fewer rows than dimensions a rotation fits anything.

    >>> z = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    >>> old, new = turned(z, -2 * z.flip(1) + 1)
    >>> round(float((old - new).square().sum(1).mean().sqrt()), 3)  # the length of the moved mean
    1.732
    """
    x, y = _both(z1, z2)
    y = y * float(z2.detach().abs().amax())
    a, b = centered(x), centered(y)
    length = float(torch.linalg.vector_norm(a)) * float(torch.linalg.vector_norm(b))
    if x.shape == y.shape and float((a * b).sum()) >= _UNTURNED * length:
        return x * (float((a * b).sum()) / max(float(a.square().sum()), 1e-300)), y
    if len(x) < max(x.shape[1], y.shape[1]):
        x, y = (torch.linalg.qr(side.T, mode="r").R.T for side in (x, y))
    width = max(x.shape[1], y.shape[1])
    x, y = (torch.nn.functional.pad(side, (0, width - side.shape[1])) for side in (x, y))
    a, b = x - x.mean(0), y - y.mean(0)
    left, values, right = torch.linalg.svd(a.T @ b + _HINT * len(x) * torch.outer(x.mean(0), y.mean(0)))
    return x @ (left @ right) * (float(values.sum()) / max(float(a.square().sum()), 1e-300)), y


def mean_shift(z1: Tensor, z2: Tensor) -> float:
    """How far the mean of z2 (M, D) lies from that of z1 (N, D), in root total variances of z2.

    A mean moved by t standard deviations in every dimension gives t. At least 0; 0 is ideal; infinity where z2 is one
    point elsewhere. Take it of `turned` embeddings where the second space may be turned. Blind to: all but the means.

    >>> z = torch.randn(500, 3, generator=torch.Generator().manual_seed(0))
    >>> round(mean_shift(z, z + 0.5), 1), round(mean_shift(*turned(z, 2 * z.flip(1))), 6)
    (0.5, 0.0)
    """
    require_one_width(z1, z2)
    y = z2.detach().double()
    apart = float(torch.linalg.vector_norm(z1.detach().double().mean(0) - y.mean(0)))
    spread = float(centered(y).square().sum(1).mean().sqrt())
    return apart / spread if spread > 0 else 0.0 if apart == 0 else math.inf


def _standard(similarity: Tensor) -> Tensor:
    """Descriptions (n, anchors) at mean zero and length 1."""
    return normalize(similarity - similarity.mean(1, keepdim=True))


def _both(z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
    x, y = embeddings(z1), embeddings(z2)
    if len(x) != len(y):
        raise UserError(f"There are {len(x)} and {len(y)} rows: pass two embeddings of the same samples.")
    return x, y


def _one_width(z1: Tensor, z2: Tensor) -> tuple[Tensor, Tensor]:
    x, y = _both(z1, z2)
    if x.shape != y.shape:
        raise UserError(f"The rows have {x.shape[1]} and {y.shape[1]} dimensions: pass embeddings of one width.")
    return x, y
