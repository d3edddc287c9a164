"""The participation ratio where rows were sampled together: from rows of different groups alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.metrics.participation import ESTIMATE_ROUNDING
from fullrank.metrics.uncertainty import Estimate, estimate
from fullrank.stats import Moments

_MOST = 10  # ours: times the number of dimensions, which no chance gives: what is beyond is 1 over nearly 0


def participation_of_groups(groups: Sequence[Moments], whole: Moments) -> Estimate:
    """The participation ratio of independent groups of rows, whose rows are alike, by leaving out each group.

    With x, y, u, v of four different groups, tr C^2 is the mean of ((x - y) . (u - v))^2 / 4 and (tr C)^2 that of
    |x - y|^2 |u - v|^2 / 4: unbiased from 5 groups on, however alike the rows of a group are. `participation_ratio`
    takes each row for an independent one, and reads less than the number of groups where they are alike.

    Args:
        groups: Moments of 5 disjoint groups or more, which are made anew whenever they are asked for.
        whole: Moments of all rows.

    Returns:
        The estimate, which chance can put above the number of dimensions; of groups that are orthogonal to each other,
            more than chance makes them, it is ten times that.

    >>> from fullrank.stats import moments
    >>> donors = torch.randn(12, 1, 16, generator=torch.Generator().manual_seed(0)).expand(12, 100, 16)  # of equal rows
    >>> found = participation_of_groups([moments(rows) for rows in donors], moments(donors.flatten(0, 1)))
    >>> found.low < 16 < found.high
    True
    """
    pairs = _Pairs.of(groups, whole)
    others = pairs.sizes * (1 - torch.eye(len(pairs.sizes), dtype=torch.float64))
    deleted = torch.tensor([pairs.ratio(weights) for weights in others], dtype=torch.float64)
    return estimate(pairs.ratio(pairs.sizes), deleted, pairs.sizes)


@dataclass(frozen=True)
class _Pairs:
    """What products of rows of different groups give, with A = mean of x x^T in a group and d = its mean.

    Attributes:
        sizes: Rows of each group (G,).
        inner: Inner products (G, G) of the means.
        traces: tr A (G,).
        turned: (G, G, G), d_k . A_g d_l at [g, k, l].
        products: tr A_g A_k (G, G).
        different: Whether four groups are different (G, G, G, G).
        dims: Number of dimensions.
    """

    sizes: Tensor
    inner: Tensor
    traces: Tensor
    turned: Tensor
    products: Tensor
    different: Tensor
    dims: int

    @classmethod
    def of(cls, groups: Sequence[Moments], whole: Moments) -> _Pairs:
        """The products of groups, about the mean of all, of which no more than two are open at a time."""
        opened = [(number, group.n, group.mean) for number, group in enumerate(groups) if group.n > 0]
        numbers, sizes, means = zip(*opened, strict=True)
        d = torch.stack(means) - whole.mean
        inner = d @ d.T
        traces, products = inner.diagonal().clone(), inner.square()
        turned = inner[:, :, None] * inner[:, None]
        for at, number in enumerate(numbers):
            covariance = groups[number].covariance
            traces[at] += covariance.trace()
            about = d @ covariance @ d.T
            turned[at] += about
            products[at] += about.diagonal()
            products[:, at] += about.diagonal()
            products[at, at] += covariance.square().sum()
            for before in range(at):
                product = covariance.flatten() @ groups[numbers[before]].covariance.flatten()
                products[at, before] += product
                products[before, at] += product
        rows, different = torch.tensor(sizes).double(), _different(len(sizes))
        return cls(rows, inner.cpu(), traces.cpu(), turned.cpu(), products.cpu(), different, whole.dims)

    def ratio(self, weights: Tensor) -> float:
        """(tr C)^2 / tr C^2 for weights (G,) of the groups, up to its cap; plug-in where one group has all variance."""
        weights = weights / weights.sum()  # whose fourth power fits any numbers
        four = torch.einsum("g,h,k,l->ghkl", weights, weights, weights, weights) * self.different
        three = four.sum(1)
        square = (three.sum(2) * self.products).sum() - 2 * (three * self.turned).sum()
        square += torch.einsum("ghkl,gk,hl->", four, self.inner, self.inner)
        trace = torch.einsum("gkl,g,k->", three, self.traces, self.traces)
        trace -= 2 * torch.einsum("gkl,g,kl->", three, self.traces, self.inner)
        trace += torch.einsum("ghkl,gh,kl->", four, self.inner, self.inner)
        all_square, all_trace = weights @ self.products @ weights, (weights @ self.traces).square()
        if trace <= ESTIMATE_ROUNDING * all_trace:
            return float(all_trace / all_square) if all_square > 0 else 1.0
        most = float(_MOST * self.dims)
        return min(float(trace / square), most) if square > 0 else most


def _different(count: int) -> Tensor:
    """Whether four of so many are different, (G, G, G, G)."""
    two = ~torch.eye(count, dtype=torch.bool)
    first = two[:, :, None, None] & two[:, None, :, None] & two[:, None, None]
    return first & two[:, :, None] & two[:, None] & two
