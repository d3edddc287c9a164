"""Weng et al., "Modulate Your Spectrum in Self-Supervised Learning", ICLR 2024: powers of the spectrum, on images."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from statistics import mean

from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import COLLAPSED, by_case, by_seed, kept_panel, used
from fullrank.papers.kit.parts import BOUND, DIMENSION, Part, Table, higher
from fullrank.papers.kit.training import Job, Size, numbers, train_all, usual_size
from fullrank.recipes.spectral import Spectral

_WIDTH = 32  # of the embedding: a quarter of the batch, so that its covariance can be whitened
_POWERS = (0.0, 0.25, 0.5, 0.75)
_BEST, _FAR = "0.5", ("0", "0.25", "0.75")


def power_images(settings: Settings, size: Size | None = None) -> Outcome:
    """Trainings that differ in the power p alone, by the effective rank of the embedding as it is."""
    jobs = [
        Job(f"power {power:g}", "spectral", Spectral(projector=(256, _WIDTH), transform="power", power=power))
        for power in _POWERS
    ]
    trained = train_all(settings, jobs, size or usual_size(settings, batch_size=128))
    runs = {f"{power:g}": trained[f"power {power:g}"] for power in _POWERS}
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    words = ", ".join(f"{mean(values):.1f} at {name}" for name, values in rank.items())
    kept = {name: used(rank[name], spread[name], _WIDTH) for name in runs}
    panels = (
        by_case("effective rank of the embedding", "dimensions", rank),
        by_case("relative spread of the embedding", "share of the norm (no unit)", spread),
        kept_panel(kept),
    )
    return Outcome(
        measured=f"Effective rank of the embedding, of {_WIDTH}, by the power p: {words} ({settings.averaged}); a "
        f"collapse is read as less than {COLLAPSED:g} of the dimensions, times the spread.",
        panels=tuple(replace(panel, x_label="power p of the eigenvalues") for panel in panels),
        rows=by_seed("power", {"effective rank": rank, "relative spread": spread}),
    )


def _kept(table: Table, case: str) -> list[float]:
    return used(table.of("effective rank", case), table.of("relative spread", case), _WIDTH)


def _lost(case: str, table: Table) -> list[float]:
    return [COLLAPSED - value for value in _kept(table, case)]


IMAGES = Experiment(
    name="intl/power-images",
    paper="Weng et al. 2024, the abstract, and its public reviews (powers)",
    title="Powers of the spectrum, on images",
    claim="Transforming the spectrum by l^-p avoids collapse for p near 1/2, and collapses far from it.",
    minutes=12,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=4,
    run=power_images,
    caveat="300 steps; what they tell of p = 1/2 is that it is slow, or that it collapses.",
    parts=(
        Part(
            says=f"p = {_BEST}: the embedding does not collapse",
            effect=lambda table: [value - COLLAPSED for value in _kept(table, _BEST)],
            margin=BOUND,
            source="abstract",
            kind="above",
        ),
        *(higher("effective rank", _BEST, far, DIMENSION, "ours") for far in _FAR),
        *(
            Part(
                says=f"p = {far}: the embedding collapses",
                effect=partial(_lost, far),
                margin=BOUND,
                source="ours",
                kind="above",
            )
            for far in _FAR
        ),
    ),
    data="fashion-mnist",
)
