"""Weng et al., ICLR 2024: the weight of INTL's trace loss, with training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from statistics import mean

from fullrank.losses import intl_beta
from fullrank.papers.intl.collapse import trace_floor
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Settings
from fullrank.papers.kit.judging import by_case, by_seed, level
from fullrank.papers.kit.parts import DIMENSION, LEVEL_POINTS, POINTS, Part, higher
from fullrank.papers.kit.represented import unseen_accuracies
from fullrank.papers.kit.training import Job, Size, last_terms, numbers, train_all, usual_size
from fullrank.recipes.intl import INTL

_MULTIPLES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)


def weight(settings: Settings, size: Size | None = None, multiples: Sequence[float] = _MULTIPLES) -> Outcome:
    """The trace loss at none, the rule's weight and multiples of it, whitening samples as the authors do."""
    chosen = size or replace(usual_size(settings, batch_size=128), looks=1)
    rule = intl_beta(chosen.batch_size)
    names = {multiple: f"{multiple * rule:g}" for multiple in multiples}
    runs = train_all(
        settings,
        [Job(name, "intl", INTL(beta=at * rule, projector=(256, 256))) for at, name in names.items()],
        chosen,
    )
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    accuracy, linear = unseen_accuracies(settings, runs)
    trace = {name: [value / 2 for value in values] for name, values in last_terms(runs, "trace").items()}
    ranks, correct = (", ".join(f"{mean(seeds):.1f}" for seeds in by.values()) for by in (rank, accuracy))
    return Outcome(
        measured=f"At the weights {', '.join(names.values())} the effective rank of the embedding is {ranks} of 256 "
        f"and kNN accuracy {correct} % ({settings.averaged}). The rule's weight is {names[1.0]}; from half to twice "
        f"that, {LEVEL_POINTS.least:g} points count as level.",
        panels=(
            by_case("effective rank by weight", "dimensions of 256", rank),
            by_case("kNN accuracy by weight", "% of the test images", accuracy),
            _trace_panel(trace, chosen.batch_size),
            by_case("spread of the embedding by weight", "relative spread, 0 (one point) to 1", spread),
        ),
        rows=by_seed(
            "weight",
            {
                "effective rank": rank,
                "relative spread": spread,
                "kNN accuracy (%)": accuracy,
                "linear (%)": linear,
                "trace loss": trace,
            },
        ),
    )


def _trace_panel(trace: Mapping[str, Sequence[float]], batch: int) -> Panel:
    floor = trace_floor(batch, INTL().iterations)
    return by_case(
        "trace loss at the end by weight",
        "of a view, unweighted (no unit)",
        trace,
        level(f"floor {floor:.1f}: equal eigenvalues", floor, (0, len(trace) - 1)),
    )


_ACCURACY, _RULE = "kNN accuracy (%)", "0.04"  # the rule's weight of a batch of 128
_WEIGHTS = ("0", "0.01", "0.02", "0.04", "0.08", "0.16")


WEIGHT = Experiment(
    name="intl/weight",
    paper="Weng et al. 2024, and the authors' code (the rule for beta)",
    title="The weight of the trace loss",
    claim="The rule's weight of the trace loss needs no tuning: around it the accuracy is level, and above that "
    "without the trace loss, while the rank grows with the weight.",
    minutes=14,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=6,
    run=weight,
    caveat="In 300 steps more weight is always better, so that level says little. The code has the rule; that it needs "
    "no tuning is our reading.",
    parts=(
        Part(
            says=f"kNN accuracy (%): {_RULE} and twice {_RULE} are level",
            effect=lambda table: table.gain(_ACCURACY, "0.08", over=_RULE),
            margin=LEVEL_POINTS,
            source="ours",
            kind="level",
        ),
        Part(
            says=f"kNN accuracy (%): {_RULE} and half of {_RULE} are level",
            effect=lambda table: table.gain(_ACCURACY, "0.02", over=_RULE),
            margin=LEVEL_POINTS,
            source="ours",
            kind="level",
        ),
        higher(_ACCURACY, _RULE, "0", POINTS, "ours"),
        *(higher("effective rank", b, a, DIMENSION, "ours") for a, b in pairwise(_WEIGHTS)),
    ),
    data="fashion-mnist",
)
