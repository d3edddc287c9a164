"""Weng et al. 2024: the controls of Newton's iteration, no whitening and whitening to the end, on the toy task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from statistics import mean

from torch import Tensor

from fullrank.losses import Terms, intl, spectral_transformation
from fullrank.papers.intl.sweep import train_toy
from fullrank.papers.kit.experiment import Experiment, Outcome, Settings
from fullrank.papers.kit.judging import by_case, by_seed, level
from fullrank.papers.kit.parts import BOUND, DIMENSION, Part, Table, higher
from fullrank.stats import newton, power, spectral

_WIDTH = 16  # of the toy's embedding
_NONE, _EXACT, _USUAL, _LAST = "no whitening", "exact", "T = 4", "T = 16"
_STEPS = (4, 8, 12, 16)
_RANK, _AFTER = "rank of z", "rank transformed"


def controls(settings: Settings, steps: int = 500) -> Outcome:
    """Features that are not whitened, whitened in 4 to 16 Newton steps, or exactly; nowhere a trace loss."""
    ways: dict[str, tuple[Callable[[Tensor], Terms], Callable[[Tensor], Tensor]]] = {_NONE: _power(0.0)}
    for count in _STEPS:
        objective = partial(intl, iterations=count, beta=0.0, axis="batch")
        ways[f"T = {count}"] = objective, partial(newton, iterations=count, axis="batch")
    ways[_EXACT] = _power(0.5)
    found: dict[str, dict[str, list[float]]] = {name: {case: [] for case in ways} for name in (_RANK, _AFTER)}
    for done, seed in enumerate(settings.each_seed, 1):
        for case, (loss, transform) in ways.items():
            toy = train_toy(loss, transform, seed=seed, steps=steps)
            for name, rank in zip((_RANK, _AFTER), toy.ranks, strict=True):
                found[name][case].append(rank)
        settings.progress(done / settings.seeds)
    words = ", ".join(f"{mean(values):.1f} with {name}" for name, values in found[_RANK].items())
    x = (0, len(ways) - 1)
    return Outcome(
        measured=f"Effective rank of the embedding, of {_WIDTH}, without a trace loss: {words} ({settings.averaged}).",
        panels=(
            by_case(
                "effective rank of the embedding",
                "dimensions",
                found[_RANK],
                level(f"full rank, {_WIDTH}", _WIDTH, x),
                level("a tenth", 0.1 * _WIDTH, x),
            ),
            by_case("effective rank of the whitened embedding", "dimensions", found[_AFTER]),
        ),
        rows=by_seed("whitening", found),
    )


def _power(p: float) -> tuple[Callable[[Tensor], Terms], Callable[[Tensor], Tensor]]:
    return (
        partial(spectral_transformation, g=power(p), axis="batch"),
        partial(spectral, g=power(p), axis="batch"),
    )


def _half(case: str) -> Part:
    """The part that a case keeps less than half of the rank that exact whitening keeps."""

    def less(table: Table) -> list[float]:
        pairs = zip(table.of(_RANK, _EXACT), table.of(_RANK, case), strict=True)
        return [best / 2 - rank for best, rank in pairs]

    says = f"{case}: less than half of the effective rank of exact whitening"
    return Part(says=says, effect=less, margin=DIMENSION, source="abstract" if case == _USUAL else "ours")


CONTROLS = Experiment(
    name="intl/controls",
    paper="Weng et al. 2024, the abstract, and the authors' code (T = 4)",
    title="No whitening, 4 to 16 Newton steps, and exact whitening, on a toy task",
    claim="Whitening keeps the embedding from collapsing, which a few Newton steps of it do not; steps enough to "
    "whiten do as well as exact whitening.",
    minutes=1.6,
    run=controls,
    caveat="Newton's iteration is in a stable order; the authors' explodes where it has converged (`intl/condition`). "
    "The headline was the second part first, which chance reverses, since it asks for half.",
    parts=(
        higher(_RANK, _EXACT, _USUAL, DIMENSION, "abstract"),
        _half(_USUAL),
        Part(
            says="exact: the embedding keeps a tenth of its dimensions",
            effect=lambda table: [rank - 0.1 * _WIDTH for rank in table.of(_RANK, _EXACT)],
            margin=BOUND,
            source="abstract",
            kind="above",
        ),
        _half(_NONE),
        *(higher(_RANK, case, _USUAL, DIMENSION, "ours") for case in ("T = 8", "T = 12", _LAST)),
        Part(
            says=f"{_LAST} and exact whitening keep as much rank",
            effect=lambda table: table.gain(_RANK, _LAST, over=_EXACT),
            margin=DIMENSION,
            source="ours",
            kind="level",
        ),
    ),
)
