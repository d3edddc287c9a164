"""Whether two sets of embeddings have one distribution; the rows need not be the same samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, islice

import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import as_labels, centered, on_one_scale
from fullrank.metrics._pairs import Distances
from fullrank.metrics.cloud import Rows, as_given
from fullrank.stats import ROUNDING

_DRAWS, _BLOCKS = 999, 50
_LEAST_P = 0.01  # what a p must be able to fall below, or it says nothing
_TIE = 1e-12  # of values of at most 2: those nearer than this are equal up to rounding


@dataclass(frozen=True)
class Permuted:
    """A number of two samples, beside what permutations of their rows give, as if both had one distribution.

    Attributes:
        low, high: The range of 99 of 100 permutations.
        p: Share of the permutations that reach the value, counting the value itself.
    """

    value: float
    low: float
    high: float
    p: float


def frechet_distance(x: Rows, y: Rows) -> float:
    """Frechet distance between two sets, each taken as Gaussian, as a share of the total variance of the first.

    It is (|mean x - mean y|^2 + tr(A + B - 2 (A B)^(1/2))) / tr A with the covariances A, B (divisor N), which is that
    of FID (Heusel et al., 2017) but for the unit. It reads high with few rows, about D / N for isotropic ones: compare
    at equal N, or with halves of one set.

    Args:
        x: Embeddings (N, D), as rows or a `Cloud`.
        y: Embeddings (M, D).

    Returns:
        At least 0, without an upper bound; 0 is ideal; infinity if x is one point and y has another distribution.

    Raises:
        UserError: The widths differ.

    Blind to: differences between distributions of equal mean and covariance.

    >>> z = torch.randn(1000, 4, generator=torch.Generator().manual_seed(0))
    >>> round(frechet_distance(z, z), 6), round(frechet_distance(z, z + 1), 1), round(frechet_distance(z, 2 * z), 1)
    (0.0, 1.0, 1.0)
    """
    x, y = on_one_scale(as_given(x), as_given(y))
    a, b = centered(x) / len(x) ** 0.5, centered(y) / len(y) ** 0.5
    variance = float(a.square().sum())
    roots = [torch.linalg.qr(side, mode="r").R for side in (a, b)]  # at most D rows each, and the same covariance
    shared = float(torch.linalg.svdvals(roots[0] @ roots[1].T).sum())
    apart = float((x.mean(0) - y.mean(0)).square().sum()) + variance + float(b.square().sum()) - 2 * shared
    if variance == 0:
        return 0.0 if apart <= ROUNDING**2 * float(y.square().sum(1).mean()) else math.inf
    return max(apart / variance, 0.0)


def mmd(x: Rows, y: Rows, x_groups: Tensor | None = None, y_groups: Tensor | None = None, *, seed: int = 0) -> Permuted:
    """Squared maximum mean discrepancy of two sets, unbiased, with its permutation interval and p.

    It is that of Gretton et al. (2012), with the kernel exp(-d^2 / median d^2). Blocks of whole groups change sides
    in 999 permutations, or in all of them where no more than 999 differ, so that rows which are not independent
    evidence raise no alarm. Blocks of different sizes would not be alike: all are of equally many groups, at most 50 to
    99 on the side that has fewer, and of a group no more rows are taken than the side with the smaller groups has on
    average. Memory grows with (N + M)^2.

    Args:
        x: Embeddings (N, D), as rows or a `Cloud`.
        y: Embeddings (M, D).
        x_groups: Codes (N,) of what was sampled together, such as donors or documents; by default each row by itself.
        y_groups: The same (M,) of y.
        seed: Draws the blocks and the permutations.

    Returns:
        A value of about 0 for one distribution, high for two, at most 2, with its interval and p.

    Raises:
        UserError: The widths differ, or the groups are too few for a p below 0.01, such as 4 on each side.

    Blind to: differences on a much smaller scale than the median distance.

    >>> x, y = torch.randn(2, 400, 4, generator=torch.Generator().manual_seed(0))
    >>> mmd(x, y[:50]).p > 0.01, mmd(x, y[:50] + 0.5).p
    (True, 0.001)
    """
    x, y = on_one_scale(as_given(x), as_given(y))
    units = [
        torch.arange(len(side)) if own is None else _codes(own, len(side))
        for side, own in ((x, x_groups), (y, y_groups))
    ]
    counts = [len(own.unique()) for own in units]
    if not can_differ(*counts):
        few = f"There are {counts[0]} and {counts[1]} groups, whose permutations give no p below {_LEAST_P}"
        raise UserError(f"{few}: pass rows of 5 groups or more on each side.")
    generator = torch.Generator().manual_seed(seed)
    size = _size(*counts)
    most = math.ceil(min(len(own) / count for own, count in zip(units, counts, strict=True)))
    one, two = (_blocks(own, size, most, generator) for own in units)
    count = int(one.max()) + 1
    blocks = torch.cat([one[one >= 0], two[two >= 0] + count]).to(x.device)
    total = int(blocks.max()) + 1
    member = torch.nn.functional.one_hot(blocks).double()  # (N + M, G)
    sums = _kernel_sums(torch.cat([x[(one >= 0).to(x.device)], y[(two >= 0).to(x.device)]]), member)
    first = _sides(count, total, generator).to(x.device)
    values = _discrepancy(first, sums, member.sum(0))
    value, drawn = float(values[0]), values.sort().values if len(values) <= _DRAWS else values[1:].sort().values
    low, high = (float(drawn[round(share * (len(drawn) - 1))]) for share in (0.005, 0.995))
    return Permuted(value, low, high, int((values >= value - _TIE).sum()) / len(values))


def can_differ(n: int, m: int) -> bool:
    """Whether some p of `mmd` of n and m groups is below 0.01: their permutations are many enough.

    >>> can_differ(4, 4), can_differ(4, 5), can_differ(3, 50)
    (False, True, True)
    """
    one, two = n // _size(n, m), m // _size(n, m)
    return min(n, m) > 1 and 1 / _permutations(one, one + two) < _LEAST_P


def _size(n: int, m: int) -> int:
    """How many groups a block has where the sides have n and m groups."""
    return max(min(n, m) // _BLOCKS, 1)


def _permutations(count: int, total: int) -> int:
    """How many ways to choose `count` of `total` blocks give different values: a half gives that of the other half."""
    return math.comb(total, count) // (2 if total == 2 * count else 1)


def _sides(count: int, total: int, generator: torch.Generator) -> Tensor:
    """Which blocks are on the side of x (P, total), 0 or 1: first as they are, then by permutations."""
    different = _permutations(count, total)
    if different <= _DRAWS:  # with equally many, those that the first block stays in come first
        chosen = torch.tensor([*islice(combinations(range(total), count), different)])
    else:
        drawn = [torch.randperm(total, generator=generator)[:count] for _ in range(_DRAWS)]
        chosen = torch.stack([torch.arange(count), *drawn])
    found: Tensor = torch.zeros(len(chosen), total, dtype=torch.float64).scatter_(1, chosen, 1.0)
    return found


def _codes(groups: Tensor, n: int) -> Tensor:
    """Numbers (n,) from 0 of the groups (n,) of n rows."""
    found = as_labels(groups).cpu()
    if found.shape != (n,):
        raise UserError(f"The groups have the shape {tuple(found.shape)}: pass one number for each of the {n} rows.")
    which: Tensor = found.unique(return_inverse=True)[1]
    return which


def _blocks(units: Tensor, size: int, most: int, generator: torch.Generator) -> Tensor:
    """The block (N,) of each row, of `size` random units (N,), numbered from 0; -1 for what is left out.

    That are all but `most` random rows of a unit, and units that are too few for one more block.
    """
    order = torch.randperm(len(units), generator=generator)
    own = units[order]
    sizes = own.bincount()
    by_unit = own.argsort(stable=True)
    place = torch.empty_like(own).scatter_(0, by_unit, torch.arange(len(own)))
    block = torch.randperm(len(sizes), generator=generator)[own] // size
    block[(place - (sizes.cumsum(0) - sizes)[own] >= most) | (block >= len(sizes) // size)] = -1
    return torch.empty_like(block).scatter_(0, order, block)


def _kernel_sums(z: Tensor, member: Tensor) -> Tensor:
    """Sums (G, G) of the kernel over ordered pairs of different rows of z (N, D), by the groups of both."""
    blocks = [*Distances(z)]
    middle = torch.cat([block.triu(1)[block.triu(1) > 0] for _, block in blocks])
    scale = float(middle.median()) if len(middle) else 1.0
    sums = member.new_zeros(member.shape[1], member.shape[1])
    for start, block in blocks:
        sums += member[start : start + len(block)].T @ (-block / scale).exp().triu(1) @ member[start:]
    return sums + sums.T


def _discrepancy(first: Tensor, sums: Tensor, sizes: Tensor) -> Tensor:
    """Squared MMD (P,) for each choice first (P, G), 0 or 1, of the groups on one side."""
    second = 1 - first
    n, m = first @ sizes, second @ sizes
    within, other, across = (((a @ sums) * b).sum(1) for a, b in ((first, first), (second, second), (first, second)))
    return within / (n * (n - 1)) + other / (m * (m - 1)) - 2 * across / (n * m)
