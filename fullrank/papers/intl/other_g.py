"""Weng et al. 2024: functions of the spectrum that are no powers, on the toy task of the powers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from statistics import mean

from torch import Tensor

from fullrank.losses import spectral_transformation
from fullrank.papers.intl.sweep import train_toy
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed, level
from fullrank.papers.kit.parts import BOUND, DIMENSION, Part, Table
from fullrank.stats import power, spectral

G = Callable[[Tensor], Tensor]
_WIDTH = 16  # of the toy's embedding
_WHITENING, _NONE = "whitening", "none"
_RANK, _AFTER = "rank of z", "rank transformed"


def ridged(share: float) -> G:
    """(l + c)^-1/2 with c this share of the mean eigenvalue: whitening that spares small eigenvalues."""
    return lambda eigenvalues: (eigenvalues + share * eigenvalues.mean()).rsqrt()


def capped(share: float) -> G:
    """l^-1/2 where l is above this share of the mean eigenvalue, and there constant below it."""
    return lambda eigenvalues: eigenvalues.clamp_min(share * float(eigenvalues.detach().mean())).rsqrt()


def logarithmic(eigenvalues: Tensor) -> Tensor:
    """(log(1 + l / mean) / l)^1/2, so that eigenvalues become their logarithm."""
    ratio = (eigenvalues / eigenvalues.mean()).clamp_min(1e-12)
    return (ratio.log1p() / ratio / eigenvalues.mean()).sqrt()


OTHERS: Mapping[str, G] = {
    "ridge 0.01": ridged(0.01),
    "ridge 0.1": ridged(0.1),
    "ridge 1": ridged(1.0),
    "cap 0.1": capped(0.1),
    "cap 1": capped(1.0),
    "logarithm": logarithmic,
}
"""What becomes of an eigenvalue l is l g(l)²."""


def other_g(settings: Settings, steps: int = 500) -> Outcome:
    """The toy network trained with each g, with whitening and with the spectrum as it is."""
    every: dict[str, G] = {_NONE: power(0.0), _WHITENING: power(0.5), **OTHERS}
    before: dict[str, list[float]] = {name: [] for name in every}
    after: dict[str, list[float]] = {name: [] for name in every}
    total = settings.seeds * len(every)
    for seed in settings.each_seed:
        for name, g in every.items():
            toy = train_toy(
                partial(spectral_transformation, g=g, axis="batch"),
                partial(spectral, g=g, axis="batch"),
                seed=seed,
                steps=steps,
            )
            rank, transformed = toy.ranks
            before[name].append(rank)
            after[name].append(transformed)
            settings.progress(sum(map(len, before.values())) / total)
    words = ", ".join(f"{name} {mean(values):.1f}" for name, values in before.items())
    full = level(f"full rank, {_WIDTH}", _WIDTH, (0, len(every) - 1))
    least = level("a tenth", 0.1 * _WIDTH, (0, len(every) - 1))
    return Outcome(
        measured=f"Effective rank of the embedding, of {_WIDTH}, by the function of the spectrum: {words} "
        f"({settings.averaged}).",
        panels=(
            by_case("effective rank of the embedding", "dimensions", before, full, least),
            by_case("effective rank of the transformed embedding", "dimensions", after, full),
        ),
        rows=by_seed("g", {_RANK: before, _AFTER: after}),
    )


def _avoids(name: str) -> Part:
    """The part that the embedding keeps at least half of the rank that whitening keeps."""

    def above(table: Table) -> list[float]:
        pairs = zip(table.of(_RANK, name), table.of(_RANK, _WHITENING), strict=True)
        return [rank - whitened / 2 for rank, whitened in pairs]

    says = f"{name}: the embedding keeps half of the effective rank that whitening keeps"
    return Part(says=says, effect=above, margin=BOUND, source="ours", kind="above")


_FIRST = "ridge 0.1"

OTHER_G = Experiment(
    name="intl/other-g",
    paper="Weng et al. 2024, the abstract",
    title="Functions of the spectrum that are no powers, on a toy task",
    claim="Whitening is one function of the spectrum of several that avoid a collapse.",
    minutes=1.8,
    run=other_g,
    caveat="Which functions the paper tried besides powers could not be read: these six are ours. With the "
    "ridge of 0.1 three of thirty seeds collapse, and the others keep 9 to 14 of 16 dimensions.",
    parts=(
        _avoids(_FIRST),
        *(_avoids(name) for name in OTHERS if name != _FIRST),
        Part(
            says="no function: the embedding keeps less than half of the effective rank that whitening keeps",
            effect=lambda table: [
                whitened / 2 - rank
                for whitened, rank in zip(table.of(_RANK, _WHITENING), table.of(_RANK, _NONE), strict=True)
            ],
            margin=DIMENSION,
            source="ours",
        ),
    ),
)
