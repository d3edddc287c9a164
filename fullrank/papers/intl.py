"""Weng et al., "Modulate Your Spectrum in Self-Supervised Learning", ICLR 2024: INTL's trace loss, with training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import mean

from fullrank.papers.experiment import Experiment, Outcome, Panel, Settings
from fullrank.papers.judging import COLLAPSED, by_case, by_seed, differences, judge, level, used
from fullrank.papers.training import (
    Job,
    Size,
    numbers,
    over_steps,
    terms_over_steps,
    train_all,
    usual_size,
)
from fullrank.recipes.intl import INTL

_ALONE, _INTL = "IterNorm alone", "INTL"
_WIDTHS = {"batch": 64, "channel": 256}  # of the embedding: half and twice the batch of 128
_BETAS = {"batch": 0.03, "channel": 0.04}
_WHITENED = {"batch": "features", "channel": "samples"}


def newton_eigenvalue(x: float, iterations: int) -> float:
    """What T Newton steps make of an eigenvalue x that is a share of the trace, in [0, 1]: m <- m (3 - m)^2 / 4.

    The h_T of the paper. INTL's trace loss of d features is at least d (1 - h_T(1/d))^2, where all are equal.

    >>> newton_eigenvalue(1.0, 4), round(newton_eigenvalue(1 / 16, 4), 3)
    (1.0, 0.793)
    """
    for _ in range(iterations):
        x *= (3 - x) ** 2 / 4
    return x


def trace_floor(size: int, iterations: int) -> float:
    """The least trace loss of a view whose covariance is size x size.

    >>> round(trace_floor(256, 4), 1)
    209.6
    """
    return size * (1 - newton_eigenvalue(1 / size, iterations)) ** 2


def collapse(settings: Settings, size: Size | None = None) -> Outcome:
    """IterNorm with and without the trace loss, whitening features or samples."""
    chosen = size or usual_size(settings, batch_size=128)
    jobs = [
        Job(f"{axis}-{name}", "intl", INTL(axis=axis, beta=beta, projector=(256, _WIDTHS[axis])))
        for axis in ("batch", "channel")
        for name, beta in (("alone", 0.0), ("intl", _BETAS[axis]))
    ]
    runs = train_all(settings, jobs, chosen)
    named = {
        f"{name}, {_WHITENED[axis]}": runs[f"{axis}-{key}"]
        for axis in ("batch", "channel")
        for key, name in (("alone", _ALONE), ("intl", _INTL))
    }
    rank, spread = (
        {name: numbers(folders, "embedding", number) for name, folders in named.items()}
        for number in ("effective_rank", "relative_spread")
    )
    share = {name: [value / _WIDTHS[_axis(name)] for value in values] for name, values in rank.items()}
    kept = {name: used(rank[name], spread[name], _WIDTHS[_axis(name)]) for name in named}
    effects, words = [], []
    for axis, whitened in _WHITENED.items():
        alone, full = f"{_ALONE}, {whitened}", f"{_INTL}, {whitened}"
        effects += [differences(kept[alone], kept[full]), [COLLAPSED - value for value in kept[alone]]]
        words.append(
            f"Whitening {whitened}, IterNorm alone ends at effective rank "
            f"{mean(rank[alone]):.1f} of {_WIDTHS[axis]} and relative spread {mean(spread[alone]):.2f}, INTL at "
            f"{mean(rank[full]):.1f} and {mean(spread[full]):.2f}"
        )
    return Outcome(
        verdict=judge(effects),
        measured=f"{'; '.join(words)} ({settings.averaged}).",
        panels=(
            by_case("effective rank of the embedding", "share of its dimensions", share),
            by_case("spread of the embedding", "relative spread, 0 (one point) to 1", spread),
            _rank_over_steps(named),
            *(_trace(named, axis, chosen.batch_size) for axis in _WHITENED),
        ),
        rows=by_seed("training", {"effective rank": rank, "relative spread": spread}),
    )


def _axis(name: str) -> str:
    return "batch" if name.endswith("features") else "channel"


def _rank_over_steps(named: Mapping[str, list[Path]]) -> Panel:
    return Panel(
        title="effective rank during training",
        x_label="step",
        y_label="dimensions",
        series=over_steps(named, "embedding", "effective_rank"),
    )


def _trace(named: Mapping[str, list[Path]], axis: str, batch: int) -> Panel:
    """The trace loss of both views, and its closed-form floor."""
    shown = {name: folders for name, folders in named.items() if _axis(name) == axis}
    size = _WIDTHS[axis] if axis == "batch" else batch
    series = terms_over_steps(shown, "trace")
    floor = level(f"floor {2 * trace_floor(size, 4):.1f}: equal eigenvalues", 2 * trace_floor(size, 4), series[0].x)
    return Panel(
        title=f"trace loss, whitening {_WHITENED[axis]}",
        x_label="step",
        y_label="both views, unweighted (no unit)",
        series=(*series, floor),
    )


COLLAPSE = Experiment(
    name="intl/collapse",
    paper="Weng et al. 2024, the section on INTL",
    title="Newton whitening with and without the trace loss",
    claim="Iterative normalisation alone collapses; with the trace loss it does not, whichever axis is whitened.",
    minutes=4,
    full="100 epochs of Fashion-MNIST with ResNet-18",
    run=collapse,
    data=("fashion-mnist", "digits"),
)
