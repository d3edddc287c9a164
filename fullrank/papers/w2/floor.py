"""Fang et al. 2024: the W2 of samples that are uniform, which few of them cannot show to be 0."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean

import numpy as np
import torch

from fullrank.metrics import w2_uniformity
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import DISTANCE, Part, Table, higher
from fullrank.stats import normalize

RATIOS = (0.5, 1.0, 2.0, 4.0, 16.0)  # samples for each dimension
_WIDTHS = (32, 128, 512)
_WIDE = 128
_ALL, _HALF = "none dead", "half dead"


def floor(settings: Settings) -> Outcome:
    """W2 of uniform samples and of such with half of their dimensions dead, by samples for each dimension."""
    rows: list[dict[str, str | float]] = []
    for done, ratio in enumerate(RATIOS, 1):
        for width in _WIDTHS:
            for case, live in ((_ALL, width), (_HALF, width // 2)):
                rows += [
                    {"dimensions": width, "samples / dimensions": ratio, "embedding": case, "seed": at, "W2": value}
                    for at, value in enumerate(_drawn(int(ratio * width), width, live, settings.each_seed))
                ]
        settings.progress(done / len(RATIOS))
    table = Table(rows)
    words = ", ".join(f"{mean(table.of('W2', _WIDE, ratio, _ALL)):.3f} at {ratio:g}" for ratio in RATIOS)
    return Outcome(
        measured=f"W2 of uniform samples in {_WIDE} dimensions, by samples for each dimension: {words} "
        f"({settings.averaged}).",
        panels=(_panel(table),),
        rows=tuple(rows),
    )


def _drawn(count: int, width: int, live: int, seeds: Sequence[int]) -> list[float]:
    values = []
    for seed in seeds:
        z = torch.zeros(count, width, dtype=torch.float64)
        generator = torch.Generator().manual_seed(seed)
        z[:, :live] = torch.randn(count, live, generator=generator, dtype=torch.float64)
        values.append(w2_uniformity(normalize(z)))
    return values


def limit(ratio: float) -> float:
    """W2 of uniform samples in many dimensions, by the law of Marchenko and Pastur: sqrt(2 - 2 E sqrt(eigenvalue)).

    >>> round(limit(1.0), 2), round(limit(4.0), 3)  # with one sample for each dimension E sqrt(eigenvalue) is 8 / 3 pi
    (0.55, 0.254)
    """
    g = 1 / ratio
    low, high = (1 - math.sqrt(g)) ** 2, (1 + math.sqrt(g)) ** 2
    angle = (np.arange(20_000) + 0.5) * math.pi / 20_000
    x = (low + high) / 2 - (high - low) / 2 * np.cos(angle)
    density = ((high - low) / 2 * np.sin(angle)) ** 2 / (2 * math.pi * g * x)
    return math.sqrt(2 - 2 * float((np.sqrt(x) * density).mean() * math.pi))


def _panel(table: Table) -> Panel:
    series = [
        Series(
            label=f"{case}, {width} dimensions",
            x=tuple(ratio for ratio in RATIOS for _ in table.of("W2", width, ratio, case)),
            y=tuple(value for ratio in RATIOS for value in table.of("W2", width, ratio, case)),
            style="points",
        )
        for width in _WIDTHS
        for case in (_ALL, _HALF)
    ]
    grid = [0.5 * 2 ** (at / 4) for at in range(21)]
    form = Series(label="Marchenko-Pastur", x=tuple(grid), y=tuple(map(limit, grid)), style="expected")
    many = math.sqrt(2 - math.sqrt(2))
    dead = Series(label="half dead, many samples", x=(grid[0], grid[-1]), y=(many, many), style="expected")
    return Panel(
        title="W2 by samples for each dimension",
        x_label="samples N / dimensions D",
        y_label="W2 (0 uniform, 1.41 one point)",
        series=(*series, form, dead),
        log_x=True,
    )


def _follows(ratio: float, width: int) -> Part:
    return Part(
        says=f"N/D = {ratio:g}, D = {width}: W2 of uniform samples is Marchenko and Pastur's {limit(ratio):.3f}",
        effect=lambda table: [value - limit(ratio) for value in table.of("W2", width, ratio, _ALL)],
        margin=DISTANCE,
        source="ours",
        kind="level",
    )


def _alike(ratio: float, few: int = 32, many: int = 128) -> Part:
    return Part(
        says=f"N/D = {ratio:g}: {few} and {many} dimensions have the same W2",
        effect=lambda table: table.gain("W2", (many, ratio, _ALL), over=(few, ratio, _ALL)),
        margin=DISTANCE,
        source="ours",
        kind="level",
    )


FLOOR = Experiment(
    name="w2/floor",
    paper="Fang et al. 2024, the definition of W2",
    title="W2 of uniform samples, by samples for each dimension",
    claim="The W2 of embeddings that are perfectly uniform is not 0 but a floor that depends on the samples for each "
    "dimension alone.",
    minutes=0.1,
    run=floor,
    parts=(
        _alike(4.0),
        *(_follows(ratio, _WIDE) for ratio in (1.0, 2.0, 4.0, 16.0)),
        *(_alike(ratio) for ratio in (0.5, 1.0, 2.0, 16.0)),
        _alike(4.0, 128, 512),
        *(higher("W2", (128, ratio, _HALF), (128, ratio, _ALL), DISTANCE, "ours") for ratio in RATIOS),
    ),
)
