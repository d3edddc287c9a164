"""Ozsoy et al., "Self-Supervised Learning with an Information Maximization Criterion", NeurIPS 2022: with training."""

from __future__ import annotations

import math
from statistics import mean

from fullrank.papers.experiment import Experiment, Outcome, Panel, Settings
from fullrank.papers.judging import COLLAPSED, by_case, differences, judge, level, used
from fullrank.papers.training import (
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
_WEIGHTS = (0.0, 250.0, 1000.0)
_WITHOUT = "no log-det"


def log_determinant(settings: Settings, size: Size | None = None) -> Outcome:
    """Pull views together without the log-determinant, and with it at three weights of the pull."""
    projector = (256, _WIDTH)
    jobs = [
        Job("without", "invariance", Invariance(projector=projector)),
        *(
            Job(f"{weight:g}", "corinfomax", CorInfoMaxRecipe(projector=projector, invariance=weight))
            for weight in _WEIGHTS
        ),
    ]
    found = train_all(settings, jobs, size or usual_size(settings))
    runs = {_WITHOUT: found["without"], **{f"weight {weight:g}": found[f"{weight:g}"] for weight in _WEIGHTS}}
    rank, spread = (
        {name: numbers(folders, "embedding", number) for name, folders in runs.items()}
        for number in ("effective_rank", "relative_spread")
    )
    with_it = {name: folders for name, folders in runs.items() if name != _WITHOUT}
    volume = {name: last_terms(folders, "log_determinant") for name, folders in with_it.items()}
    distance = {name: last_terms(folders, "invariance") for name, folders in with_it.items()}
    none, some, much = with_it
    kept = {name: used(rank[name], spread[name], _WIDTH) for name in runs}
    effects = [
        differences(kept[_WITHOUT], kept[some]),
        [COLLAPSED - value for value in kept[_WITHOUT]],
        *(differences(volume[a], volume[b]) for a, b in ((none, some), (some, much))),
        *(differences(distance[b], distance[a]) for a, b in ((none, some), (some, much))),
    ]
    bound = 2 * math.log(_WIDTH)
    terms = terms_over_steps(with_it, "log_determinant")
    return Outcome(
        verdict=judge(effects),
        measured=f"Without the log-determinant effective rank and relative spread end at {mean(rank[_WITHOUT]):.1f} "
        f"of {_WIDTH} and {mean(spread[_WITHOUT]):.2f}, with it and a pull of 250 at {mean(rank[some]):.1f} and "
        f"{mean(spread[some]):.2f}; its term is "
        f"{100 * (mean(volume[none]) / bound - 1):.1f} % above its bound 2 log D without any pull, and "
        f"{100 * (mean(volume[much]) / bound - 1):.0f} % at a pull of 1000 (means of {settings.seeds} seeds).",
        panels=(
            by_case("spread of the embedding", "relative spread, 0 (one point) to 1", spread),
            by_case("effective rank of the embedding", "dimensions", rank),
            Panel(
                title="log-determinant term",
                x_label="step",
                y_label="nats per dimension, both views",
                series=(*terms, level(f"bound 2 log {_WIDTH} = {bound:.2f}", bound, terms[0].x)),
            ),
            spectra(runs, "embedding"),
        ),
        rows=tuple(
            {
                "training": name,
                "seed": seed,
                "relative spread": spread[name][seed],
                "effective rank": rank[name][seed],
                "log-determinant": volume[name][seed] if name in volume else "",
                "squared distance": distance[name][seed] if name in distance else "",
            }
            for name in runs
            for seed in range(settings.seeds)
        ),
    )


LOG_DETERMINANT = Experiment(
    name="corinfomax/log-determinant",
    paper="Ozsoy et al. 2022, the objective",
    title="CorInfoMax with and without its log-determinant",
    claim="The log-determinant keeps the embedding from collapsing; a heavier pull between views costs volume.",
    minutes=3,
    full_minutes=12,
    run=log_determinant,
    data=("digits", "fashion-mnist"),
)
