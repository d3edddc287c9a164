"""Weng et al., "Modulate Your Spectrum in Self-Supervised Learning", ICLR 2024: INTL's trace loss, with training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray

from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import COLLAPSED, by_case, by_seed, differences, kept_panel, level, used
from fullrank.papers.kit.parts import BOUND, KEPT, Margin, Part, Table, lower
from fullrank.papers.kit.training import (
    Job,
    Size,
    numbers,
    over_steps,
    spectra_over_steps,
    terms_over_steps,
    train_all,
    usual_size,
)
from fullrank.recipes.intl import INTL

_NONE, _ALONE, _INTL = "no whitening", "IterNorm alone", "INTL"
_WIDTHS = {"batch": 64, "channel": 256}  # of the embedding: half and twice the batch of 128
_WHITENED = {"batch": "features", "channel": "samples"}
_SMALLEST = 1e-12  # share of the largest eigenvalue below which none is told from rounding


def newton_eigenvalue(x: float, iterations: int) -> float:
    """What T Newton steps make of an eigenvalue x that is a share of the trace, in [0, 1]: m <- m (3 - m)^2 / 4.

    We call it h_T. INTL's trace loss of d features is at least d (1 - h_T(1/d))^2, where all are equal.

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
    """IterNorm with and without the trace loss, whitening features or samples; without Newton steps, features alone.

    The condition number is judged where features are whitened: that is what the paper's theorem is about.
    """
    chosen = size or usual_size(settings, batch_size=128)
    recipes = {
        f"{_NONE}, features": INTL(axis="batch", iterations=0, beta=0.0, projector=(256, _WIDTHS["batch"])),
        f"{_ALONE}, features": INTL(axis="batch", beta=0.0, projector=(256, _WIDTHS["batch"])),
        f"{_INTL}, features": INTL(axis="batch", projector=(256, _WIDTHS["batch"])),
        f"{_ALONE}, samples": INTL(axis="channel", beta=0.0, projector=(256, _WIDTHS["channel"])),
        f"{_INTL}, samples": INTL(axis="channel", projector=(256, _WIDTHS["channel"])),
    }
    runs = train_all(settings, [Job(name, "intl", recipe) for name, recipe in recipes.items()], chosen)
    rank, spread = (numbers(runs, "embedding", number) for number in ("effective_rank", "relative_spread"))
    share = {name: [value / _WIDTHS[_axis(name)] for value in values] for name, values in rank.items()}
    conditions = {name: [log_conditions(run)[1] for run in folders] for name, folders in runs.items()}
    last = {name: [float(values[-1]) for values in seeds] for name, seeds in conditions.items()}
    return Outcome(
        measured=_words(rank, spread, conditions, settings),
        panels=(
            by_case("effective rank of the embedding", "share of its dimensions", share),
            by_case("spread of the embedding", "relative spread, 0 (one point) to 1", spread),
            kept_panel({name: used(rank[name], spread[name], _WIDTHS[_axis(name)]) for name in runs}),
            _rank_over_steps(runs),
            _condition_panel(runs),
            *(_trace(runs, axis, chosen.batch_size) for axis in _WHITENED),
        ),
        rows=by_seed("training", {"effective rank": rank, "relative spread": spread, "log10 condition": last}),
    )


def log_conditions(run: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The steps (T,) of a run's readings and log10 of the embedding's condition number (T,): 0 where all are equal."""
    steps, eigenvalues = spectra_over_steps(run, "embedding")
    largest = eigenvalues[:, 0]
    return steps, -np.log10(np.maximum(eigenvalues[:, -1] / largest, _SMALLEST))


def _words(
    rank: Mapping[str, list[float]],
    spread: Mapping[str, list[float]],
    conditions: Mapping[str, list[NDArray[np.float64]]],
    settings: Settings,
) -> str:
    ends = [
        f"Whitening {whitened}, {_ALONE} ends at effective rank {mean(rank[f'{_ALONE}, {whitened}']):.1f} of "
        f"{_WIDTHS[axis]} and relative spread {mean(spread[f'{_ALONE}, {whitened}']):.2f}, {_INTL} at "
        f"{mean(rank[f'{_INTL}, {whitened}']):.1f} and {mean(spread[f'{_INTL}, {whitened}']):.2f}"
        for axis, whitened in _WHITENED.items()
    ]
    moved = [
        " to ".join(f"1e{mean(float(values[at]) for values in conditions[f'{name}, features']):.1f}" for at in (0, -1))
        for name in (_NONE, _ALONE, _INTL)
    ]
    return (
        f"{'; '.join(ends)}. The condition number of the features goes from {moved[0]} without whitening, from "
        f"{moved[1]} with {_ALONE}, and from {moved[2]} with {_INTL} ({settings.averaged}, of the exponents)."
    )


def _axis(name: str) -> str:
    return "batch" if name.endswith("features") else "channel"


def _condition_panel(runs: Mapping[str, list[Path]]) -> Panel:
    """The geometric mean over the seeds, where features are whitened."""
    series = []
    for name in (_NONE, _ALONE, _INTL):
        read = [log_conditions(run) for run in runs[f"{name}, features"]]
        values = 10 ** np.mean([logs for _, logs in read], axis=0)
        series.append(Series(label=name, x=tuple(read[0][0].tolist()), y=tuple(values.tolist())))
    return Panel(
        title="condition number, whitening features",
        x_label="step",
        y_label="largest / smallest eigenvalue",
        series=(*series, level("equal eigenvalues", 1.0, series[0].x)),
        log_y=True,
    )


def _rank_over_steps(named: Mapping[str, list[Path]]) -> Panel:
    return Panel(
        title="effective rank during training",
        x_label="step",
        y_label="dimensions",
        series=over_steps(named, "embedding", "effective_rank"),
    )


def _trace(named: Mapping[str, list[Path]], axis: str, batch: int) -> Panel:
    """The trace loss of both views, and its closed-form floor."""
    whitened = _WHITENED[axis]
    shown = {name: named[f"{name}, {whitened}"] for name in (_ALONE, _INTL)}
    size = _WIDTHS[axis] if axis == "batch" else batch
    series = terms_over_steps(shown, "trace")
    floor = level(f"floor {2 * trace_floor(size, 4):.1f}: equal eigenvalues", 2 * trace_floor(size, 4), series[0].x)
    return Panel(
        title=f"trace loss, whitening {whitened}",
        x_label="step",
        y_label="both views, unweighted (no unit)",
        series=(*series, floor),
    )


_POWER = Margin(1.0, "powers of ten", "of the four or so that lie between the two")


def _kept(table: Table, case: str) -> list[float]:
    return used(table.of("effective rank", case), table.of("relative spread", case), _WIDTHS[_axis(case)])


def _saved(whitened: str) -> Part:
    return Part(
        says=f"whitening {whitened}, {_INTL} keeps more of the embedding than {_ALONE}",
        effect=lambda table: differences(_kept(table, f"{_ALONE}, {whitened}"), _kept(table, f"{_INTL}, {whitened}")),
        margin=KEPT,
        source="abstract",
    )


def _lost(whitened: str) -> Part:
    return Part(
        says=f"whitening {whitened}, {_ALONE} collapses",
        effect=lambda table: [COLLAPSED - value for value in _kept(table, f"{_ALONE}, {whitened}")],
        margin=BOUND,
        source="abstract",
        kind="above",
    )


COLLAPSE = Experiment(
    name="intl/collapse",
    paper="Weng et al. 2024, the abstract, and the authors' code",
    title="Newton whitening with and without the trace loss, and the condition number over the steps",
    claim="Iterative normalization alone collapses; with the trace loss, which drives the eigenvalues together, it "
    "does not, whichever axis is whitened.",
    minutes=16,
    full="ResNet-18 for 100 epochs at 28 px, with our settings",
    trainings=5,
    run=collapse,
    caveat="In gray exact whitening is near a collapse, too (`intl/power-images`), so that it is not the few steps "
    "alone.",
    parts=(
        _saved("samples"),
        _saved("features"),
        _lost("samples"),
        _lost("features"),
        lower("log10 condition", f"{_INTL}, features", f"{_ALONE}, features", _POWER, "abstract"),
    ),
    data="fashion-mnist",
)
