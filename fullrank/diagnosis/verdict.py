"""Collapsed or not, and which kind: one sentence from the numbers of `fullrank.metrics.summarize`.

The thresholds are those of the project's survey of collapse metrics. They were checked on synthetic clouds of known
collapse (1,500 x 128 and 96 x 512), not on a population of trained checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from fullrank.errors import UserError
from fullrank.stats import decay

SPREAD_FAILS, SPREAD_WARNS = 0.01, 0.1  # relative spread; a healthy embedding is near 1
COSINE_FAILS, COSINE_WARNS = 0.99, 0.9  # mean cosine of the self-supervised embedding
SHARE_FAILS, SHARE_WARNS = 0.10, 0.25  # rank over min(n - 1, D)
DECAY_FAILS, DECAY_WARNS = 1.8, 1.4  # exponent a of eigenvalues j^-a; healthy ones are near 1
HEAD_HEAVY = 0.25  # eigenvalues that seem to decay faster than singular values by this: a few large ones, no decay
FEWEST = 4  # rows from which there is a verdict at all
FEWEST_FOR_RANK = 32  # rows from which the unbiased participation ratio is usable

_NEEDED = ("relative_spread", "mean_cosine", "effective_rank", "rankme", "participation_ratio", "n", "dims")


@dataclass(frozen=True)
class Verdict:
    """Which kind of collapse, whether it is one (collapsed) or only a warning of that kind, and why, in words."""

    kind: Literal["healthy", "complete", "dimensional", "undetermined"]
    collapsed: bool
    sentence: str


def verdict(numbers: Mapping[str, float]) -> Verdict:
    """Judge one row of `fullrank.metrics.summarize`.

    Complete collapse is judged first, because the rank of a point is that of its noise. A kind with
    collapsed=False is a warning. Undetermined: fewer than 4 rows, fewer than 32 to judge a rank, or numbers that
    are not finite. Raises UserError when a number is missing. Blind to: clusters with more corners than a tenth of
    the dimensions, dead and duplicate dimensions, and whether the views agree.

    >>> verdict({"relative_spread": 0.002, "mean_cosine": 1.0, "effective_rank": 31.2, "rankme": 1.3,
    ...          "participation_ratio": 30.0, "n": 500, "dims": 32}).sentence
    'Collapsed to a point: the spread around the mean is 0.2 % of the norm and the mean cosine 1.000; the effective
    rank of 31.2 is that of the remaining noise.'
    """
    missing = [name for name in _NEEDED if name not in numbers]
    if missing:
        raise UserError(f"The numbers lack {', '.join(missing)}: pass a row of fullrank.metrics.summarize.")
    if not all(math.isfinite(numbers[name]) for name in _NEEDED):
        return Verdict("undetermined", False, "Undetermined: some of the numbers are not finite.")
    if numbers["n"] < FEWEST:
        few = f"{numbers['n']:.0f} samples are too few; pass {FEWEST} or more"
        return Verdict("undetermined", False, f"Undetermined: {few}.")
    found = [kind for kind in (_complete(numbers), _dimensional(numbers)) if kind is not None]
    if found:
        return next((kind for kind in found if kind.collapsed), found[0])
    return _no_collapse(numbers)


def _complete(numbers: Mapping[str, float]) -> Verdict | None:
    spread, cosine = numbers["relative_spread"], numbers["mean_cosine"]
    measured = f"the spread around the mean is {_percent(spread)} of the norm and the mean cosine {cosine:.3f}"
    if cosine > COSINE_FAILS and spread >= SPREAD_WARNS:
        length = f"the spread of {_percent(spread)} of the norm is in the length of the embeddings"
        rank = f"the effective rank is {numbers['effective_rank']:.1f}"
        return Verdict(
            "complete", True, f"Collapsed to one direction: the mean cosine is {cosine:.3f}; {length}, {rank}."
        )
    if spread < SPREAD_FAILS or cosine > COSINE_FAILS:
        noise = f"the effective rank of {numbers['effective_rank']:.1f} is that of the remaining noise"
        return Verdict("complete", True, f"Collapsed to a point: {measured}; {noise}.")
    if spread < SPREAD_WARNS or cosine > COSINE_WARNS:
        return Verdict("complete", False, f"Close to a point: {measured}.")
    return None


def _dimensional(numbers: Mapping[str, float]) -> Verdict | None:
    n, dims = numbers["n"], numbers["dims"]
    directions = max(min(n - 1, dims), 1)
    if n < FEWEST_FOR_RANK:
        return None
    # Both must be low, as a cone lowers RankMe alone, which is uncentered.
    share = max(numbers["effective_rank"], numbers["rankme"]) / directions
    eigenvalues = decay(numbers["participation_ratio"], 2, dims)
    singular_values = 2 * decay(numbers["rankme"], 1, directions)  # sigma = sqrt(lambda) decays half as fast
    measured = (
        f"an effective rank of {numbers['effective_rank']:.1f}, RankMe {numbers['rankme']:.1f} and a participation "
        f"ratio of {numbers['participation_ratio']:.1f}, of {directions:.0f} possible"
    )
    if share < SHARE_FAILS or (eigenvalues > DECAY_FAILS and eigenvalues - singular_values < HEAD_HEAVY):
        return Verdict("dimensional", True, f"Collapsed to few dimensions: {measured}.")
    if share < SHARE_WARNS or eigenvalues > DECAY_WARNS:
        return Verdict("dimensional", False, f"Few dimensions carry most of the variance: {measured}.")
    return None


def _no_collapse(numbers: Mapping[str, float]) -> Verdict:
    n, dims = numbers["n"], numbers["dims"]
    if n < FEWEST_FOR_RANK:
        few = f"{n:.0f} samples are too few to judge the rank; pass {FEWEST_FOR_RANK} or more"
        return Verdict("undetermined", False, f"Undetermined: not collapsed to a point, but {few}.")
    spread, rank = numbers["relative_spread"], numbers["effective_rank"]
    unseen = f" With {n:.0f} samples a rank above {n / 2:.0f} cannot be told from a lower one." if n <= dims else ""
    measured = (
        f"the spread around the mean is {_percent(spread)} of the norm, the effective rank {rank:.1f} of {dims:.0f}"
    )
    return Verdict("healthy", False, f"No collapse: {measured}.{unseen}")


def _percent(share: float) -> str:
    """Two digits of a small share, whole percents of a large one."""
    return f"{100 * share:.0f} %" if share >= 0.1 else f"{100 * share:.2g} %"
