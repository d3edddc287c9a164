"""The numbers of one reading, cheap enough for a training: one pass over blocks of columns and one decomposition.

Their names and values are those of `fullrank.metrics.summarize`; what needs pairs of rows, the uncentered spectrum or
the moments of unit rows is left to a diagnosis.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.metrics._embeddings import _above_rounding, centered
from fullrank.metrics.dimensions import DEAD
from fullrank.metrics.head import largest_jump
from fullrank.metrics.participation import unbiased_from
from fullrank.metrics.summary import what_follows
from fullrank.metrics.uniformity import alignment
from fullrank.stats import hill

_BLOCK = 256  # columns in float64 at a time, which stay in the processor's cache


@dataclass
class _Sums:
    """What the columns of x (N, D), divided by their largest magnitude, add up to; c is x less its mean."""

    norms: Tensor  # (N,) of the rows
    distances: Tensor  # (N,) squared, from the mean
    variance: Tensor  # (D,)
    mean: Tensor  # (D,)
    gram: Tensor  # c c^T (N, N), or c^T c (D, D) if that is smaller
    cosines: float  # |sum of the rows at length 1|^2
    negative: int  # values below zero


def numbers(views: tuple[Tensor, ...]) -> dict[str, float]:
    """The numbers of the first of the views (N, D), with "alignment" if there are two; JSON-ready, never NaN.

    Embeddings with NaN or infinity have "not_finite" alone, the number of such rows, beside "n" and "dims".

    >>> row = numbers((torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]),))
    >>> row["relative_spread"], row["row_norm"], round(row["effective_rank"], 6), row["n"], row["dims"]
    (1.0, 1.0, 2.0, 4, 2)
    """
    z = views[0].detach()
    z = z.cpu() if z.device.type == "mps" else z  # it has no float64
    n, dims = z.shape
    finite = torch.stack([torch.isfinite(view).all(1).to(z.device) for view in views]).all(0)
    if not bool(finite.all()):
        return {"n": n, "dims": dims, "not_finite": int((~finite).sum())}
    largest = float(z.abs().amax())
    row = _numbers(_sums(z, largest or 1.0), largest)
    if len(views) > 1:
        row["alignment"] = alignment(views[0], views[1])
    return row


def _sums(z: Tensor, largest: float) -> _Sums:
    n, dims = z.shape
    zeros = torch.zeros(n, dtype=torch.float64, device=z.device)
    squares = sum((block.square().sum(1) for block in _blocks(z, largest)), zeros)
    norms = squares.sqrt()
    inverse = torch.where(norms > 0, 1 / norms, 0.0)
    wide = n < dims
    found = _Sums(norms, zeros.clone(), z.new_empty(0), z.new_empty(0), torch.zeros(n, n).to(zeros), 0.0, 0)
    variances, means, parts = [], [], []
    for block in _blocks(z, largest):
        c = centered(block)
        found.distances += c.square().sum(1)
        variances.append(c.square().mean(0))
        means.append(block.mean(0))
        found.cosines += float((inverse @ block).square().sum())
        found.negative += int((block < 0).sum())
        if wide:
            found.gram.addmm_(c, c.T)
        else:
            parts.append(c)
    if not wide:
        whole = torch.cat(parts, 1)
        found.gram = whole.T @ whole
    found.variance, found.mean = torch.cat(variances), torch.cat(means)
    return found


def _blocks(z: Tensor, largest: float) -> Iterator[Tensor]:
    for part in z.split(_BLOCK, 1):
        yield part.double() / largest


def _numbers(of: _Sums, largest: float) -> dict[str, float]:
    n, dims = len(of.norms), len(of.variance)
    total, mean = float(of.variance.sum()), float(of.mean.square().sum())
    values = torch.linalg.eigvalsh(of.gram / n).flip(0).clamp_min(0.0)
    spectrum = _above_rounding(values, max(n, dims))
    quartic = float(of.distances.square().sum())
    participation = unbiased_from(float(spectrum.sum()), float(spectrum.square().sum()), quartic, n, dims)
    centered_rank = float(hill(spectrum.sqrt(), 1))
    norm = float(of.norms.mean())
    zero = int((of.norms == 0).sum())
    deviation = float(of.norms.std(correction=0))
    pairs = of.cosines - (n - zero) + zero * (zero - 1)
    ordered = of.variance.sort(descending=True).values
    row = {
        "relative_spread": math.sqrt(total / (total + mean)) if total + mean > 0 else 0.0,
        "mean_cosine": pairs / (n * (n - 1)) if n > 1 else 1.0,
        "negative_share": of.negative / (n * dims),
        "zero_rows": zero / n,
        "row_norm": largest * float(of.norms.square().mean().sqrt()),
        "norm_variation": deviation / norm if norm > 0 else 0.0,
        "effective_rank": float(hill(spectrum, 1)),
        "rankme_centered": centered_rank,
        "participation_ratio": participation,
        "head_gap": largest_jump(spectrum),
        "dead_dimensions": float((of.variance <= DEAD * ordered[0]).double().mean()),
        "rogue_dimension": float(ordered[0] / of.variance.mean()) if total > 0 else 1.0,
        "dimension_gap": largest_jump(ordered),
    }
    return row | what_follows(row, n, dims) | {"n": n, "dims": dims}
