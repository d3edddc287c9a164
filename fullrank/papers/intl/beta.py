"""Weng et al. 2024, without training: the weight of INTL's trace loss by the size of the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

import torch
from torch import Tensor

from fullrank.losses import intl, intl_beta
from fullrank.papers.intl.collapse import newton_eigenvalue, trace_floor
from fullrank.papers.intl.steps import isotropic
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import level
from fullrank.papers.kit.parts import EXACT, Part, Table

_USUAL = 4  # Newton steps in the authors' code
_EVEN = 2.0  # a cost that varies by less than this factor counts as made up for. Ours
_RULE, _CONSTANT = "rule 0.01 (log2 N − 3)", "constant 0.05"


def pairs_cost(n: int) -> float:
    """What the trace loss of a view charges where n samples have become n / 2 pairs, all else equal.

    >>> round(pairs_cost(256), 2)
    2.15
    """
    paired = n * (1 - newton_eigenvalue(2 / n, _USUAL) / 2) ** 2
    return paired - trace_floor(n, _USUAL)


def trace(z: Tensor) -> float:
    """INTL's trace loss of one view (N, D), whitened over its samples as in all of the authors' runs."""
    return float(intl(torch.stack([z, z]), iterations=_USUAL)["trace"]) / 2


def beta_rule(settings: Settings, batches: Sequence[int] | None = None) -> Outcome:
    """Samples that are orthogonal, and pairs of samples that share an embedding: what does the trace loss charge?"""
    sizes = batches or tuple(2**i for i in range(5, 12 if settings.full else 11))
    best: dict[int, list[float]] = {n: [] for n in sizes}
    paired: dict[int, list[float]] = {n: [] for n in sizes}
    for done, n in enumerate(sizes, 1):
        for seed in settings.each_seed:
            best[n].append(trace(isotropic(n, seed).T))
            paired[n].append(trace(isotropic(n // 2, seed).T.repeat_interleave(2, 0)))
        settings.progress(done / len(sizes))
    weights = {_RULE: {n: intl_beta(n) for n in sizes}, _CONSTANT: dict.fromkeys(sizes, intl_beta(256))}
    cost = {
        name: {n: [2 * beta[n] * (b - a) for a, b in zip(best[n], paired[n], strict=True)] for n in sizes}
        for name, beta in weights.items()
    }
    uneven = {
        name: [max(seed) / min(seed) for seed in zip(*costs.values(), strict=True)] for name, costs in cost.items()
    }
    rule, constant = uneven[_RULE], uneven[_CONSTANT]
    floors = [2 * intl_beta(n) * trace_floor(n, _USUAL) for n in sizes]
    return Outcome(
        measured=f"From {sizes[0]} to {sizes[-1]} samples, the cost of a collapse into pairs varies by a "
        f"factor of {mean(rule):.1f} with the rule, of {mean(constant):.1f} with a constant weight; the weighted trace "
        f"loss itself has a floor of {floors[0]:.2f} to {floors[-1]:.1f}.",
        panels=(_costs(cost, weights), _floors(best, floors)),
        rows=tuple(
            {"N": n, "beta": intl_beta(n), "floor": floor, **{name: mean(costs[n]) for name, costs in cost.items()}}
            for n, floor in zip(sizes, floors, strict=True)
        ),
    )


def _costs(cost: Mapping[str, Mapping[int, Sequence[float]]], weights: Mapping[str, Mapping[int, float]]) -> Panel:
    series: list[Series] = []
    for name, costs in cost.items():
        x = tuple(map(float, costs))
        exact = tuple(2 * weights[name][n] * pairs_cost(n) for n in costs)
        series.append(Series(label=name, x=x, y=tuple(map(mean, costs.values())), style="points"))
        series.append(Series(label="closed form", x=x, y=exact, style="expected"))
    return Panel(
        title="Cost of samples that fall into pairs",
        x_label="batch size N",
        y_label="weighted trace loss, both views (no unit)",
        series=tuple(series),
        log_x=True,
    )


def _floors(best: Mapping[int, Sequence[float]], floors: Sequence[float]) -> Panel:
    x = tuple(map(float, best))
    measured = tuple(2 * intl_beta(n) * mean(values) for n, values in best.items())
    return Panel(
        title="Least weighted trace loss, by the rule",
        x_label="batch size N",
        y_label="weighted trace loss, both views (no unit)",
        series=(
            Series(label="orthogonal samples", x=x, y=measured, style="points"),
            Series(label="closed form", x=x, y=tuple(floors), style="expected"),
            level("most that the similarity can be", 4.0, x),
        ),
        log_x=True,
        log_y=True,
    )


def _varies(table: Table, name: str) -> float:
    """The factor by which a cost varies over the batches; it is a closed form, which no seed moves."""
    costs = [float(row[name] or 0) for row in table.rows]
    return max(costs) / min(costs)


BETA_RULE = Experiment(
    name="intl/beta-rule",
    paper="Weng et al. 2024, the authors' code (the rule for the weight)",
    title="The weight of the trace loss by batch size",
    claim="The rule for the weight of the trace loss makes up for the batch size, so that there is nothing to tune.",
    minutes=0.78,
    full="up to 2,048 samples",
    run=beta_rule,
    caveat="The code has the rule; what it is to do is our reading.",
    parts=(
        Part(
            says=f"with the rule the cost of a collapse into pairs varies by less than a factor of {_EVEN:g}",
            effect=lambda table: [_EVEN - _varies(table, _RULE)],
            margin=EXACT,
            source="ours",
            kind="exact",
        ),
        Part(
            says="it varies less than with a constant weight",
            effect=lambda table: [_varies(table, _CONSTANT) - _varies(table, _RULE)],
            margin=EXACT,
            source="ours",
            kind="exact",
        ),
    ),
)
