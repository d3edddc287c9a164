"""Moments without one of their groups, each group in turn, as the jackknife needs them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce

from fullrank.stats import Moments, merge, without

FEW_APART = 0.05  # ours: of the same samples, how many may be left out of one side alone
_DIGITS = 1e-3  # of the scatter that a difference of moments must have, so that it keeps 13 digits


def without_each(groups: Sequence[Moments], whole: Moments, *, anew: bool = False) -> Iterator[Moments]:
    """All groups but the first, all but the second, ..., of those that have rows; `whole` is the union of all."""
    energy = float(whole.variance.sum()) * whole.n
    for left in range(len(groups)):  # those of a sketch are made when asked for, and none stays
        rest = _without_one(groups, left, whole, energy, anew=anew)
        if rest is not None:
            yield rest
        rest = None


def _without_one(groups: Sequence[Moments], left: int, whole: Moments, energy: float, *, anew: bool) -> Moments | None:
    group = groups[left]
    if group.n == 0:
        return None
    rest = without(whole, group, in_place=anew)
    if float(rest.variance.sum()) * rest.n < _DIGITS * energy:  # the group has almost all, and its rounding is seen
        rest = reduce(merge, (groups[other] for other in range(len(groups)) if other != left))
    return rest


def same_samples(old: Sequence[int], new: Sequence[int]) -> bool:
    """Whether groups of so many rows may hold the same samples, but for a few that one side alone leaves out."""
    apart = sum(abs(before - after) for before, after in zip(old, new, strict=False))
    return len(old) == len(new) and apart <= FEW_APART * max(sum(old), sum(new))
