"""Fang et al. (2024), figure 13: the spectrum of a cloud with zero features."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import pad

from fullrank.metrics import dead_dimensions
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import EXACT, Part, Table
from fullrank.stats import spectrum


def dead_spectrum(settings: Settings, dims: int = 64, samples: int = 2000) -> Outcome:
    """Figure 13: the spectrum of N(0, I/m) with k zero features."""
    added = (0, dims // 4, dims, 3 * dims)
    series: list[Series] = []
    rows: list[dict[str, str | float]] = []
    off = 0
    for at, seed in enumerate(settings.each_seed):
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(samples, dims, generator=generator, dtype=torch.float64) / math.sqrt(dims)
        for k in added:
            z = pad(drawn, (0, k))
            values = spectrum(z)
            zeros, share = int((values < 1e-12 * values[0]).sum()), dead_dimensions(z)
            off += abs(zeros - k) + (abs(share - k / (dims + k)) > 1e-12)
            rows.append({"k": k, "seed": at, "zero values": zeros, "dead share": share, "k / (m + k)": k / (dims + k)})
            if at == 0:
                x = tuple(float(at) for at in range(1, len(values) + 1))
                shown = tuple(float(value) if value > 1e-12 * values[0] else 1e-6 for value in values)
                series.append(Series(label=f"k = {k}", x=x, y=shown))
    population = Series(label="population, 1/m", x=(1.0, float(dims)), y=(1 / dims, 1 / dims), style="expected")
    return Outcome(
        measured=f"{dims} live features and k = {', '.join(map(str, added))} zero ones have exactly k zero eigenvalues "
        f"and the share k / (m + k) of dead dimensions, in {'every' if off == 0 else 'not every'} one of "
        f"{settings.seeds} seeds.",
        panels=(
            Panel(
                title="Spectrum with k zero features, seed 0",
                x_label="dimension, largest first",
                y_label="eigenvalue of the covariance (0 drawn as 1e-6)",
                series=(*series, population),
                log_y=True,
            ),
        ),
        rows=tuple(rows),
    )


def _zeros(table: Table) -> list[float]:
    return [-abs(float(row["zero values"] or 0) - float(row["k"] or 0)) for row in table.rows]


def _shares(table: Table) -> list[float]:
    return [1e-5 - abs(float(row["dead share"] or 0) - float(row["k / (m + k)"] or 0)) for row in table.rows]


DEAD_DIMENSIONS = Experiment(
    name="w2/dead-dimensions",
    paper="Fang et al. 2024, figure 13",
    title="The spectrum of a cloud with zero features",
    claim="k zero features beside m live ones show as k zero singular values, a collapse degree of k / (m + k).",
    minutes=0.01,
    run=dead_spectrum,
    parts=tuple(
        Part(says=says, effect=effect, margin=EXACT, source="paper", kind="exact")
        for says, effect in (
            ("k zero features show as k zero singular values", _zeros),
            ("the share of dead dimensions is k / (m + k)", _shares),
        )
    ),
)
