"""Ozsoy et al., "Self-Supervised Learning with an Information Maximization Criterion", NeurIPS 2022: with training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Settings
from fullrank.papers.kit.judging import COLLAPSED, by_case, by_seed, kept_panel, level, used
from fullrank.papers.kit.parts import BOUND, KEPT, Margin, Part, Table, higher
from fullrank.papers.kit.training import (
    Job,
    Size,
    last_terms,
    numbers,
    spectra,
    terms_over_steps,
    train_all,
    usual_size,
)
from fullrank.recipes.corinfomax import CorInfoMaxRecipe
from fullrank.recipes.invariance import Invariance

_WIDTH = 32
_PROJECTOR = (256, _WIDTH)
_BOUND = 2 * math.log(_WIDTH)  # of the log-determinant term, where the covariance is I / D
_WEIGHTS = (0.0, 250.0, 1000.0)
_WITHOUT = "no log-det"


def log_determinant(settings: Settings, size: Size | None = None) -> Outcome:
    """Pull views together without the log-determinant, and with it at three weights of the pull."""
    with_it = {f"weight {weight:g}": CorInfoMaxRecipe(projector=_PROJECTOR, invariance=weight) for weight in _WEIGHTS}
    jobs = [Job(_WITHOUT, "invariance", Invariance(projector=_PROJECTOR))]
    jobs += [Job(name, "corinfomax", recipe) for name, recipe in with_it.items()]
    runs = train_all(settings, jobs, size or usual_size(settings))
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    held = {name: runs[name] for name in with_it}
    volume, distance = (last_terms(held, term) for term in ("log_determinant", "invariance"))
    none, some, much = with_it
    above = {name: 100 * (mean(volume[name]) / _BOUND - 1) for name in with_it}
    return Outcome(
        measured=f"Without the log-determinant effective rank and relative spread end at {mean(rank[_WITHOUT]):.1f} "
        f"of {_WIDTH} and {mean(spread[_WITHOUT]):.2f}, with it and a pull of 250 at {mean(rank[some]):.1f} and "
        f"{mean(spread[some]):.2f}; its term is {above[none]:.1f} % above its bound 2 log D without any pull, and "
        f"{above[much]:.0f} % at a pull of 1000 ({settings.averaged}).",
        panels=(
            by_case("spread of the embedding", "relative spread, 0 (one point) to 1", spread),
            by_case("effective rank of the embedding", "dimensions", rank),
            kept_panel({name: used(rank[name], spread[name], _WIDTH) for name in rank}),
            _volume(held),
            spectra(runs, "embedding"),
        ),
        rows=by_seed(
            "training",
            {"relative spread": spread, "effective rank": rank, "log-det": volume, "squared distance": distance},
        ),
    )


def _volume(runs: Mapping[str, Sequence[Path]]) -> Panel:
    terms = terms_over_steps(runs, "log_determinant")
    return Panel(
        title="log-determinant term",
        x_label="step",
        y_label="nats per dimension, both views",
        series=(*terms, level(f"bound 2 log {_WIDTH} = {_BOUND:.2f}", _BOUND, terms[0].x)),
    )


_VOLUME = Margin(0.07, "nats", "a hundredth of the log-determinant term's bound, 2 log 32")


def _kept(table: Table, case: str) -> list[float]:
    return used(table.of("effective rank", case), table.of("relative spread", case), _WIDTH)


LOG_DETERMINANT = Experiment(
    name="corinfomax/log-determinant",
    paper="Ozsoy et al. 2022, the objective",
    title="CorInfoMax with and without its log-determinant",
    claim="The log-determinant keeps the embedding from collapsing; a heavier pull between views costs volume.",
    minutes=9.9,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=log_determinant,
    caveat="The weight 250 is the authors' of 64 dimensions, on our 32.",
    parts=(
        Part(
            says="with the log-determinant (weight 250) more of the embedding is kept than without",
            effect=lambda table: [
                more - less for more, less in zip(_kept(table, "weight 250"), _kept(table, _WITHOUT), strict=True)
            ],
            margin=KEPT,
            source="abstract",
        ),
        Part(
            says="with it, the embedding does not collapse",
            effect=lambda table: [value - COLLAPSED for value in _kept(table, "weight 250")],
            margin=BOUND,
            source="abstract",
            kind="above",
        ),
        Part(
            says="without it, the embedding collapses",
            effect=lambda table: [COLLAPSED - value for value in _kept(table, _WITHOUT)],
            margin=BOUND,
            source="abstract",
            kind="above",
        ),
        higher("log-det", "weight 250", "weight 0", _VOLUME, "ours"),
        higher("log-det", "weight 1000", "weight 250", _VOLUME, "ours"),
    ),
    data="fashion-mnist",
)
