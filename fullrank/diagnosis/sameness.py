"""Whether two sets are the same rows, the same model or the same distribution, by numbers with measured limits."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from fullrank.metrics import (
    cka,
    frechet_distance,
    index_overlap,
    knn_overlap,
    matched_cosine,
    matched_ranks,
    mean_shift,
    misplaced,
    mmd,
    turned,
)
from fullrank.metrics._pairs import chosen, first_copies
from fullrank.metrics.two_samples import can_differ
from fullrank.stats.sketch import Sketch

Expectation = Literal["same-model", "same-rows", "same-distribution"]
Question = Literal["correspondence", "structure", "distribution"]
EXPECTATIONS: tuple[Expectation, ...] = get_args(Expectation)
FEWEST = 20  # rows from which it can be told whether they correspond
_WIDE = 1024  # rows for what decomposes a matrix of them
_LISTED = 20  # rows that are named
_NEIGHBORS = 10
_RECORDS: Mapping[str, tuple[Question, str, Literal["low", "high"]]] = {  # title, and which way is alike
    "broken_rows": ("correspondence", "zero, exploded or near-empty rows, more than in the old embeddings", "low"),
    "misplaced_rows": ("correspondence", "rows that do not correspond", "low"),
    "matched_rank": ("correspondence", "rank of its own row, median", "high"),
    "matched_cosine": ("correspondence", "cosine, old to new", "high"),
    "index_overlap": ("correspondence", "old neighbors found by new vectors", "high"),
    "cka": ("structure", "CKA (debiased)", "high"),
    "shared_neighbors": ("structure", "shared nearest neighbors", "high"),
    "mean_shift": ("structure", "shift of the mean in deviations", "low"),
    "turned_cosine": ("structure", "cosine, old to new, turned", "high"),
    "mmd": ("distribution", "squared MMD", "high"),  # of which p is held to the limit
    "frechet_distance": ("distribution", "Frechet distance / old variance", "low"),
}
_MOST = 0.9  # share of rows that do not correspond, from which no single row is named
_SURE = 0.99  # rank of its own row from which a row surely corresponds
_ALL_DIGITS = 17  # of a float
_HALVES = 3  # draws of the Frechet distance by chance
# Measured by benchmarks/compare_gate.py: the most or the least of each number that raises no alarm.
LIMITS: Mapping[Expectation, Mapping[str, float]] = {
    "same-model": {
        **{"broken_rows": 0.02, "misplaced_rows": 0.02, "cka": 0.95, "shared_neighbors": 0.85, "mean_shift": 0.1}
    },
    "same-rows": {"broken_rows": 0.02, "misplaced_rows": 0.3},
    "same-distribution": {"broken_rows": 0.02, "mmd": 0.01},
}


@dataclass(frozen=True)
class Check:
    """One number about two sets of rows.

    Attributes:
        better: Whether less or more is more similar.
        chance: What unrelated rows, or for a distance halves of one set, give on average; of broken rows of other
            samples, three standard errors, which the value is beyond.
        low, high: 99 % interval of permutations, for `mmd` alone.
        p: Share of the permutations that reach the value, for `mmd` alone.
        limit: The most of a distance, the least of a similarity, the least p of `mmd`; None if there is no limit.
        outcome: The outcome of the limit.
        which: Numbers of the rows that do not correspond, worst first, at most 20.
    """

    question: Question
    name: str
    title: str
    better: Literal["low", "high"]
    value: float
    chance: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    limit: float | None = None
    outcome: Literal["same", "different"] | None = None
    which: tuple[int, ...] = ()


def same_rows(old: Sketch, new: Sketch) -> bool:
    """Whether both have as many samples and views, and most of the examined ones have the same numbers."""
    views = [side.sample.rows.shape[1] for side in (old, new)]
    counts = [side.n // some + side.left_out for side, some in zip((old, new), views, strict=True)]
    both = int(torch.isin(old.sample.index, new.sample.index).sum())
    most = max(len(side.sample.index) for side in (old, new))
    return views[0] == views[1] and counts[0] == counts[1] and 2 * both > most


def check_broken(old: Sketch, new: Sketch, expect: Expectation) -> tuple[Check, ...]:
    """How many more of the rows the new side leaves out than the old one; nothing if none are.

    Of other samples, what chance makes more of them (three standard errors) does not count.
    """
    counts = [side.n // side.sample.rows.shape[1] + side.left_out for side in (old, new)]
    shares = [side.left_out / count for side, count in zip((old, new), counts, strict=True)]
    more = shares[1] - shares[0]
    if more <= 0:
        return ()
    chance = None
    if expect == "same-distribution":
        chance = 3 * math.sqrt(sum(share * (1 - share) / count for share, count in zip(shares, counts, strict=True)))
    gone = [torch.cat([side.zero_index, side.heavy.index, side.light.index]).tolist() for side in (old, new)]
    before = gone[0] if chance is None else []  # of other samples, equal numbers mean nothing
    found = _check("broken_rows", max(more - (chance or 0.0), 0.0), LIMITS[expect], chance=chance)
    return (replace(found, which=tuple(sorted(set(gone[1]) - set(before))[:_LISTED])),)


def say_broken(checks: Sequence[Check]) -> str:
    """A sentence about rows that broke and are too few to make a difference."""
    rows = next((check for check in checks if check.name == "broken_rows" and check.which), None)
    if rows is None:
        return ""
    few = ", ".join(map(str, rows.which[:3])) + (" and others" if len(rows.which) > 3 else "")
    one = len(rows.which) == 1
    what = f"Row {few} is" if one else f"Rows {few} are"
    only = " only" if rows.chance is None else ""
    return f" {what} zero, exploded or near-empty in the new embeddings{only}, and left out."


def say_difference(checks: Sequence[Check]) -> str:
    """What differs first, and which expectation would allow it."""
    found = {check.name: check for check in checks}
    broken = [check for check in checks if check.outcome == "different"]
    if found.get("broken_rows") in broken:
        return _many_broken(found["broken_rows"])
    if "misplaced_rows" not in found:
        drift, apart = found["mmd"], found["frechet_distance"]
        return (
            f"the distributions differ: squared MMD {drift.value:.2g}, of one distribution up to {drift.high:.2g} (p = "
            f"{drift.p:.3f}); Frechet distance, in old variances, {amount(apart.value)}, by chance "
            f"{amount(apart.chance or 0.0)}."
        )
    rows, moved = found["misplaced_rows"], found["mean_shift"]
    unsorted = rows.value > LIMITS["same-rows"][rows.name] or found["matched_rank"].value > _SURE
    if rows in broken and unsorted:
        return _unsorted(rows, found.get("mmd"))
    if moved in broken and rows not in broken and _unturned(found):
        also = f"; {_listed(some)}" if (some := [one for one in broken if one is not moved]) else ""
        far, limit = _missed(moved, 2, infinite="infinitely many")
        return f"the mean has moved by {far} standard deviations (at most {limit}){also}."
    same = "the rows are the same samples, but not of the same model"
    return f"{same}: {_listed(broken)}. If another model or seed is meant, expect same-rows."


def _many_broken(rows: Check) -> str:
    """A sentence about rows that broke and are so many that the sides differ."""
    beyond = "" if rows.chance is None else ", beyond chance"
    such = f", such as rows {', '.join(map(str, rows.which[:3]))}" if rows.which else ""
    said = f"{rows.value:.1%} more of the rows are zero, exploded or near-empty in the new embeddings than in the old"
    return f"{said} ones{beyond}{such}."


def _unsorted(rows: Check, drift: Check | None) -> str:
    """A sentence that rows do not correspond: how many, which, and whether they may only be in another order."""
    order = drift is not None and drift.p is not None and drift.p >= LIMITS["same-distribution"]["mmd"]
    why = ", though both sides are of one distribution: they may stand in another order" if order else ""
    some = f" (such as rows {', '.join(map(str, sorted(rows.which[:3])))})" if rows.value < _MOST else ""
    share = f"about {rows.value:.0%} of them are not the same samples{some}{why}"
    return f"the rows do not correspond: {share}. If other samples are meant, expect same-distribution."


def _unturned(found: Mapping[str, Check]) -> bool:
    """Whether old and new vectors are in one space."""
    return "matched_cosine" in found and abs(found["matched_cosine"].value - found["turned_cosine"].value) < 1e-6


def _listed(broken: Sequence[Check]) -> str:
    way = {"low": "at most", "high": "at least"}
    shown = [(one, *_missed(one, 3)) for one in broken]
    return ", ".join(f"{one.title} {value} ({way[one.better]} {limit})" for one, value, limit in shown)


def _missed(check: Check, digits: int, *, infinite: str = "infinite") -> tuple[str, str]:
    """A value and the limit that it misses, in as many digits as show that it does."""
    judged, least = check.value, check.limit or 0.0
    while digits < _ALL_DIGITS:
        away = float(f"{judged:.{digits}g}") - float(f"{least:.{max(digits - 1, 2)}g}")
        if away > 0 if check.better == "low" else away < 0:
            break
        digits += 1
    return amount(judged, digits, infinite=infinite), f"{least:.{max(digits - 1, 2)}g}"


def amount(value: float, digits: int = 2, *, infinite: str = "infinite") -> str:
    """A number in a sentence."""
    return f"{value:.{digits}g}" if math.isfinite(value) else infinite


def check_rows(old: Sketch, new: Sketch, expect: Expectation, *, seed: int = 0) -> tuple[Check, ...]:
    """Correspondence and structure of the sampled rows of equal numbers; none if there are too few.

    If the rows do not correspond, whether they have one distribution follows, without a limit.
    """
    limits = LIMITS[expect]
    index = old.sample.index[torch.isin(old.sample.index, new.sample.index)]
    index = index[chosen(len(index), seed=seed)]
    first, second = (side.sample.rows[torch.searchsorted(side.sample.index, index), 0].double() for side in (old, new))
    different = first_copies(first).sort().values  # a copy has no nearest neighbor of its own
    if len(different) < FEWEST:
        return ()
    first, second, index = first[different], second[different], index[different]
    found = [*_correspondence(first, second, index, limits, seed), *_structure(first, second, limits, seed)]
    lost = found[0].value > LIMITS["same-model"]["misplaced_rows"] and first.shape[1] == second.shape[1]
    return (*found, *(check_distribution(old, new, None, seed=seed) if lost else ()))


def check_distribution(old: Sketch, new: Sketch, expect: Expectation | None, *, seed: int = 0) -> tuple[Check, ...]:
    """How far the two distributions lie apart; none if the widths differ, or there are too few units to permute."""
    rows, units = [], []
    for side in (old, new):
        picked = chosen(len(side.sample.index), seed=seed)
        rows.append(side.sample.rows[picked, 0].double())
        units.append(side.sample_units[picked])
    if rows[0].shape[1] != rows[1].shape[1] or not can_differ(*(len(some.unique()) for some in units)):
        return ()
    limits = LIMITS[expect] if expect else {}
    found = mmd(*rows, *units, seed=seed)
    apart, chance = _frechet([_fewer(side) for side in rows], seed)
    drift = _check("mmd", found.value, limits, chance=0.0, p=found.p)
    return replace(drift, low=found.low, high=found.high), _check("frechet_distance", apart, {}, chance=chance)


def _correspondence(x: Tensor, y: Tensor, index: Tensor, limits: Mapping[str, float], seed: int) -> list[Check]:
    ranks = matched_ranks(x, y, seed=seed)
    worst = ranks.argsort()[: min(_LISTED, int((ranks < 0.5).sum()))]
    rows = _check("misplaced_rows", misplaced(ranks), limits, chance=1.0)
    found = [
        replace(rows, which=tuple(index[worst.cpu()].tolist())),
        _check("matched_rank", float(ranks.median()), limits, chance=0.5),
    ]
    if x.shape == y.shape:
        unrelated = matched_cosine(_fewer(x), _fewer(y).roll(len(_fewer(x)) // 2, 0))
        found += [
            _check("matched_cosine", matched_cosine(_fewer(x), _fewer(y)), limits, chance=unrelated),
            _check("index_overlap", index_overlap(x, y, seed=seed), limits, chance=min(1.0, _NEIGHBORS / len(x))),
        ]
    return found


def _structure(x: Tensor, y: Tensor, limits: Mapping[str, float], seed: int) -> list[Check]:
    chance = min(1.0, _NEIGHBORS / (len(x) - 1))
    above = {name: chance + limit * (1 - chance) for name, limit in limits.items() if name == "shared_neighbors"}
    old, new = turned(_fewer(x), _fewer(y))
    return [
        _check("cka", cka(x, y), limits, chance=0.0),
        _check("shared_neighbors", knn_overlap(x, y, k=_NEIGHBORS, seed=seed), above, chance=chance),
        _check("mean_shift", mean_shift(old, new), limits),
        _check("turned_cosine", matched_cosine(old, new), limits),
    ]


def _check(
    name: str, value: float, limits: Mapping[str, float], *, chance: float | None = None, p: float | None = None
) -> Check:
    question, title, better = _RECORDS[name]
    limit, judged = limits.get(name), value if p is None else p
    if limit is None:
        return Check(question, name, title, better, value, chance, p=p)
    kept = judged <= limit if better == "low" else judged >= limit
    return Check(
        question, name, title, better, value, chance, p=p, limit=limit, outcome="same" if kept else "different"
    )


def _fewer(x: Tensor) -> Tensor:
    """At most 1,024 of the rows of x (N, D), evenly spaced."""
    return x[:: -(-len(x) // _WIDE)]


def _frechet(rows: list[Tensor], seed: int) -> tuple[float, float]:
    """The distance, and its mean over random splits of all rows into two sets of these sizes."""
    both, size = torch.cat(rows), len(rows[0])
    drawn = []
    for draw in range(_HALVES):
        order = torch.randperm(len(both), generator=torch.Generator().manual_seed(seed + draw))
        drawn.append(frechet_distance(both[order[:size]], both[order[size:]]))
    value = frechet_distance(*rows)
    return value, sum(drawn) / len(drawn)
