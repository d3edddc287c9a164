"""How certain a number is: the delete-group jackknife of any function of moments, and the rows that a rank needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from scipy.special import stdtrit
from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._left_out import same_samples, without_each
from fullrank.metrics.isotropic import isotropic_spectrum
from fullrank.stats import Moments, hill, merge, moments

FEWEST_GROUPS = 5  # below it the spread of the deleted values says too little about itself


@dataclass(frozen=True)
class Estimate:
    """A number with its error.

    Attributes:
        value: What the function gives for all rows, biased by their number; for curves at equal N.
        corrected: The value without the bias of order 1/N; for a claim about the distribution.
        low, high: 95 % interval around `corrected`.
    """

    value: float
    corrected: float
    standard_error: float
    low: float
    high: float


def moment_groups(z: Tensor, *, groups: int = 20, labels: Tensor | None = None, seed: int = 0) -> list[Moments]:
    """Moments of at most `groups` disjoint parts of the rows, for `jackknife` to leave out in turn.

    Rows are assigned at random.

    Args:
        z: Embeddings (N, D), at least 5 rows.
        groups: Number of parts, at least 5; memory is groups x D x D, so take 10 from D = 2048 on.
        labels: What was sampled together (N,) (the donor of a cell, the track of a clip, the image of a crop), at
            least 5 different. Rows of one label stay together: neighbors that are not independent evidence would make
            the error far too small.
        seed: Decides the parts.

    Raises:
        UserError: There are fewer than 5 rows, labels or groups.

    >>> [part.n for part in moment_groups(torch.arange(12.0)[:, None], groups=5)]
    [3, 3, 2, 2, 2]
    """
    units = torch.arange(len(z)) if labels is None else labels.unique(return_inverse=True)[1].cpu()
    if len(units) != len(z):
        raise UserError(f"There are {len(units)} labels for {len(z)} embeddings: pass one label per row.")
    count = int(units.max()) + 1 if len(units) else 0
    if min(count, groups) < FEWEST_GROUPS:
        what = "rows" if labels is None else "different labels"
        raise UserError(f"{count} {what} in {groups} groups give no error bar: both must be {FEWEST_GROUPS} or more.")
    of_unit = _dealt(units.bincount(), groups, seed)
    return [moments(z[(of_unit[units] == group).to(z.device)]) for group in range(min(groups, count))]


def jackknife(function: Callable[[Moments], float], groups: Sequence[Moments]) -> Estimate:
    """A function of moments on all rows, its bias corrected, with standard error and 95 % interval.

    This is the delete-group jackknife; for groups of unequal size that of Busing, Meijer & van der Leeden (1999): with
    h = n / n_j, pseudo-values p_j = h f - (h - 1) f_(-j), corrected = G f - sum (1 - n_j / n) f_(-j), and the squared
    error the mean of (p_j - corrected)^2 / (h - 1); Student's t with G - 1 degrees of freedom. It is for smooth
    functions (ranks, spreads, decay), not for counts such as `dims_for_variance`. The percentile bootstrap would never
    cover a rank, because repeated rows lower it. A value that is not finite has infinite error.

    Only a bias of order 1/N goes away. The interval covers the true value in 88 to 95 % of the draws from N = 8 D on
    (`benchmarks/jackknife.py`). The unbiased participation ratio and NESum keep 92 % even at N = D / 2, where
    `effective_rank` and `rankme` have next to none (at N = 2 D, 90 and 16 %). `rows_needed` says which N a rank needs.
    Rows of 200 donors that are taken as independent cover it in 1 to 60 %, and grouped by donor in 93 to 97 %.

    Args:
        function: Moments to a number.
        groups: Moments of disjoint parts of the rows, as `moment_groups` makes them.

    Raises:
        UserError: There are fewer than 5 groups.

    >>> from fullrank.metrics import participation_ratio
    >>> z = torch.randn(400, 100, generator=torch.Generator().manual_seed(0))  # 100 equal directions
    >>> found = jackknife(participation_ratio, moment_groups(z))
    >>> found.low < 100 < found.high, round(found.standard_error, 1)
    (True, 0.6)
    """
    return jackknife_all(lambda part: {"": function(part)}, groups)[""]


def jackknife_all(
    function: Callable[[Moments], Mapping[str, float]],
    groups: Sequence[Moments],
    *,
    whole: Moments | None = None,
    anew: bool = False,
) -> dict[str, Estimate]:
    """`jackknife` for a function that returns several named numbers, such as `summarize_moments`.

    Args:
        function: From the moments of rows to numbers by name.
        groups: The moments of each group, three or more.
        whole: The union of the groups, where it is at hand.
        anew: Whether a group is made whenever it is asked for, and may be written to.

    Returns:
        An `Estimate` for each name.

    >>> from fullrank.metrics import summarize_moments
    >>> z = torch.randn(400, 10, generator=torch.Generator().manual_seed(0))
    >>> found = jackknife_all(summarize_moments, moment_groups(z))
    >>> f"{found['effective_rank'].corrected:.2f} +- {found['effective_rank'].standard_error:.2f}"
    '10.00 +- 0.04'
    """
    whole = reduce(merge, groups) if whole is None else whole
    values = function(whole)

    def left(rest: Moments) -> tuple[int, Mapping[str, float]]:
        return whole.n - rest.n, function(rest)

    # no name holds one, which may be large, while the next is made
    found = list(map(left, without_each(groups, whole, anew=anew)))
    sizes, deleted = torch.tensor([n for n, _ in found], dtype=torch.float64), [rest for _, rest in found]
    if len(sizes) < FEWEST_GROUPS:
        raise UserError(f"{len(sizes)} groups give no error bar: pass moments of {FEWEST_GROUPS} groups or more.")
    return {
        name: estimate(value, torch.tensor([rest[name] for rest in deleted], dtype=torch.float64), sizes)
        for name, value in values.items()
    }


def jackknife_rows(function: Callable[[Tensor], float], rows: Tensor, groups: Tensor) -> Estimate:
    """`jackknife` of a function of values of rows (N, ...) in groups (N,), each group left out in turn.

    The values stay as they are. Where they describe a row's neighbors, which two rows may share, that is an
    approximation, whose coverage `benchmarks/jackknife.py` measures.

    Args:
        function: From values (n, ...) of some of the rows to a number.
        rows: Values (N, ...) of all rows.
        groups: The group (N,) of each row, whole numbers.

    Returns:
        The `Estimate`.

    >>> found = jackknife_rows(lambda x: float(x.mean()), torch.arange(10.0), torch.arange(10))
    >>> found.value, round(found.standard_error, 3)  # sqrt(55 / 6 / 10)
    (4.5, 0.957)
    """
    sizes = _sizes(groups)
    deleted = [function(rows[groups != group]) for group in groups.unique()]
    return estimate(function(rows), torch.tensor(deleted, dtype=torch.float64), sizes)


def jackknife_pairs(
    function: Callable[[float], float], blocks: Iterable[tuple[int, Tensor]], groups: Tensor
) -> Estimate:
    """`jackknife` of a function of the mean over pairs i < j of rows in groups, each group left out in turn.

    Leaving rows out leaves out all their pairs.

    Args:
        function: The mean over pairs to a number.
        blocks: The number of the first row, and values (B, N - start) of the rows from there on with themselves and
            all later ones; only what is above the diagonal counts.
        groups: Group (N,) of each row.

    >>> x = torch.arange(10.0).double()
    >>> squares = (x[:, None] - x).square() / 2  # whose mean over pairs is the unbiased variance
    >>> found = jackknife_pairs(lambda mean: mean, [(0, squares)], torch.arange(10))
    >>> round(found.value, 3), round(found.corrected, 3)
    (9.167, 9.167)
    """
    sizes = _sizes(groups)
    member = torch.nn.functional.one_hot(groups.unique(return_inverse=True)[1]).double()  # (N, G)
    sums = member.new_zeros(len(sizes), len(sizes))
    for start, values in blocks:
        sums += member[start : start + len(values)].T @ values.triu(1) @ member[start:]
    rest = sums.sum() - sums.sum(0) - sums.sum(1) + sums.diagonal()
    left = sizes.sum() - sizes
    deleted = [function(mean) for mean in (rest / (left * (left - 1) / 2)).tolist()]
    n = len(groups)
    return estimate(function(float(sums.sum()) / (n * (n - 1) / 2)), torch.tensor(deleted, dtype=torch.float64), sizes)


def jackknife_difference(
    function: Callable[[Moments], Mapping[str, float]], old: Sequence[Moments], new: Sequence[Moments]
) -> dict[str, Estimate]:
    """`jackknife_all` of function(new) - function(old), whose groups j hold the same samples in the same order.

    The sampling error that both share cancels in the difference, so its error is smaller than that of either. Groups of
    different samples of one size are not a mistake: the error is then that of independent draws.

    Args:
        function: Moments to numbers by name.
        old: Moments of the groups before.
        new: Moments of the groups after.

    Raises:
        UserError: More than 5 % of the rows are left out of one side alone, or there are fewer than 5 groups.

    >>> z = torch.randn(400, 10, generator=torch.Generator().manual_seed(0))
    >>> old, new = moment_groups(z), moment_groups(2 * z + 0.01 * z.roll(1, 0))
    >>> from fullrank.metrics import summarize_moments
    >>> found = jackknife_difference(summarize_moments, old, new)["effective_rank"]
    >>> abs(found.value) < 0.01, found.standard_error < 0.01
    (True, True)
    """
    if not same_samples([group.n for group in old], [group.n for group in new]):
        raise UserError("The groups are of different sizes: pass embeddings of the same samples, in the same order.")
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if a.n > 0 and b.n > 0]
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    if len(pairs) < FEWEST_GROUPS:
        raise UserError(f"{len(pairs)} groups give no error bar: pass moments of {FEWEST_GROUPS} groups or more.")
    wholes = reduce(merge, before), reduce(merge, after)
    values = _difference(*map(function, wholes))
    rests = zip(without_each(before, wholes[0]), without_each(after, wholes[1]), strict=True)
    deleted = [_difference(function(a), function(b)) for a, b in rests]
    sizes = torch.tensor([group.n for group in before], dtype=torch.float64)
    return {
        name: estimate(value, torch.tensor([rest[name] for rest in deleted], dtype=torch.float64), sizes)
        for name, value in values.items()
    }


def _sizes(groups: Tensor) -> Tensor:
    """Rows of each group (G,); fewer than 5 groups raise a UserError."""
    sizes: Tensor = groups.unique(return_counts=True)[1].double()
    if len(sizes) < FEWEST_GROUPS:
        raise UserError(f"{len(sizes)} groups give no error bar: pass rows of {FEWEST_GROUPS} groups or more.")
    return sizes


def _difference(old: Mapping[str, float], new: Mapping[str, float]) -> dict[str, float]:
    return {name: new[name] - old[name] for name in old if name in new}


def rows_needed(dims: float, *, order: float = 1, bias: float = 0.1) -> int:
    """Number of rows from which a Hill number of an isotropic cloud in `dims` dimensions is at most `bias` too low.

    It is the N that an honest claim about a rank up to D needs. A spectrum that decays needs fewer rows in as many
    dimensions. At order 2 only the participation ratio r counts, for any spectrum, so pass that: it needs 9 r rows.
    `participation_ratio` is accurate from about 32 rows on, whatever the rank; its error is what `jackknife` says.

    Args:
        dims: Number of dimensions.
        order: Order of the Hill number of the covariance eigenvalues: 1 for `effective_rank`, 2 for
            `plugin_participation_ratio`, inf for `nesum`.
        bias: The bias as a share of the value, between 0 and 1.

    >>> rows_needed(100), rows_needed(100, order=2)
    (476, 901)
    """
    if not 0 < bias < 1 or dims < 1:
        raise UserError(f"The bias is {bias}, the dimensions {dims}: pass a bias between 0 and 1, and at least 1.")
    dims, low, high = round(dims), 1, 2

    def reads_right(n: int) -> bool:
        return float(hill(isotropic_spectrum(n, dims), order)) >= (1 - bias) * dims

    while not reads_right(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reads_right(middle) else (middle, high)
    return high


def _dealt(sizes: Tensor, groups: int, seed: int) -> Tensor:
    """Group (U,) of each unit: the largest unit first, each to the group with the fewest rows; ties in random order."""
    shuffled = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(seed))
    order = shuffled[sizes[shuffled].argsort(descending=True, stable=True)]
    if bool((sizes == sizes[0]).all()):
        return torch.empty_like(order).scatter_(0, order, torch.arange(len(order)) % groups)
    group, filled = torch.empty_like(order), [0] * groups
    for unit in order.tolist():
        group[unit] = smallest = filled.index(min(filled))
        filled[smallest] += int(sizes[unit])
    return group


def estimate(value: float, deleted: Tensor, sizes: Tensor) -> Estimate:
    """The `jackknife` of a value, from those (G,) without each group, and the rows (G,) of each."""
    if not (math.isfinite(value) and bool(deleted.isfinite().all())):
        return Estimate(value, value, math.inf, -math.inf, math.inf)
    share = sizes / sizes.sum()
    count = len(sizes)
    corrected = count * value - float((1 - share) @ deleted)
    pseudo = value / share - (1 / share - 1) * deleted
    error = math.sqrt(float(((pseudo - corrected).square() / (1 / share - 1)).mean()))
    reach = error * float(stdtrit(count - 1, 0.975))
    return Estimate(value, corrected, error, corrected - reach, corrected + reach)
