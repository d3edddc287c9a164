"""Fang et al. (2024), figures 3, 4 and 13: clouds with dead dimensions, scored by W2 and by Wang & Isola."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

import torch
from torch.nn.functional import pad

from fullrank.metrics import dead_dimensions, uniformity, w2_uniformity
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import differences, judge
from fullrank.papers.w2.theory import expected_uniformity, expected_w2, sphere
from fullrank.stats import RunningMoments, spectrum

DEAD = (*range(0, 100, 5), 99)  # percent of the dimensions, as in figure 3
_BLOCK = 5000  # rows drawn at a time
_PAIRED = 2500  # rows whose pairs Wang & Isola's loss takes
_W2, _LU = "W2", "Wang-Isola"


@dataclass(frozen=True)
class Cloud:
    """Uniform on the sphere of the first `alive` of `dims` dimensions, and its scores in every seed."""

    dims: int
    alive: int
    w2: tuple[float, ...]
    uniformity: tuple[float, ...]


def clouds(shapes: Sequence[tuple[int, int]], n: int, settings: Settings) -> list[Cloud]:
    """Score n rows for each (dims, alive) and seed."""
    found = []
    for at, (dims, alive) in enumerate(shapes, 1):
        scores = [_scores(n, alive, dims, seed) for seed in range(settings.seeds)]
        found.append(Cloud(dims, alive, *zip(*scores, strict=True)))
        settings.progress(at / len(shapes))
    return found


def _scores(n: int, alive: int, dims: int, seed: int) -> tuple[float, float]:
    """W2 of n rows and Wang & Isola's loss of the first of them; never more than a block of rows in memory."""
    running, potential = RunningMoments(dims), math.nan
    for start in range(0, n, _BLOCK):
        z = sphere(min(_BLOCK, n - start), alive, dims, seed + 1000 * start)
        potential = uniformity(z[:_PAIRED]) if start == 0 else potential
        running.add(z)
    return w2_uniformity(running.result()), potential


def collapse_degree(
    settings: Settings, sizes: Sequence[int] | None = None, samples: int | None = None, dead: Sequence[int] = DEAD
) -> Outcome:
    """Figure 3: ever more dead dimensions."""
    widths = sizes or ((200, 500, 1000) if settings.full else (64, 128, 256))
    n = samples or (20_000 if settings.full else 5000)
    alive = {(m, share): max(1, round(m * (100 - share) / 100)) for m in widths for share in dead}
    scored = dict(zip(alive, clouds([(m, k) for (m, _), k in alive.items()], n, settings), strict=True))
    rises = [differences(scored[m, a].w2, scored[m, b].w2) for m in widths for a, b in pairwise(dead)]
    # Half of the dimensions are gone, and the score has moved by less than a twentieth of its range of 4.
    blind = [
        [0.2 - abs(b - a) for a, b in zip(scored[m, 0].uniformity, scored[m, 50].uniformity, strict=True)]
        for m in widths
    ]
    halves = [scored[m, 50].w2 for m in widths]
    alike = [0.02 - (max(values) - min(values)) for values in zip(*halves, strict=True)]
    m = widths[-1]
    return Outcome(
        verdict=judge([*rises, *blind, alike]),
        measured=f"With 0, 50 and 90 % of {m} dimensions dead, W2 is "
        f"{_numbers([scored[m, share].w2 for share in (0, 50, 90)])}, Wang & Isola's uniformity "
        f"{_numbers([scored[m, share].uniformity for share in (0, 50, 90)])} ({settings.averaged}, "
        f"{n:,} rows).",
        panels=tuple(
            Panel(
                title=f"{name} by dead dimensions",
                x_label="dead dimensions (%)",
                y_label=unit,
                series=_lines([(f"m = {m}", [(share, scored[m, share]) for share in dead]) for m in widths], name, n),
            )
            for name, unit in _UNITS.items()
        ),
        rows=_rows(list(scored.values())),
    )


def dimension(settings: Settings, sizes: Sequence[int] | None = None, samples: int | None = None) -> Outcome:
    """Figure 4: the same share of dead dimensions in ever more dimensions."""
    widths = sizes or tuple(2**i for i in range(2, 13 if settings.full else 10))
    n = samples or (50_000 if settings.full else 5000)
    shares = (25, 50, 75)
    shapes = [(m, round(m * (100 - share) / 100)) for share in shares for m in widths]
    scored = clouds(shapes, n, settings)
    by_share = {share: scored[at * len(widths) : (at + 1) * len(widths)] for at, share in enumerate(shares)}
    level = {share: math.sqrt(2 - 2 * math.sqrt(1 - share / 100)) for share in shares}
    # More rows than dimensions leave a floor, which the paper's 50,000 rows hide: at most 0.05 of the level counts.
    flat = [
        [0.05 * level[share] - abs(value - level[share]) for value in cloud.w2]
        for share in shares
        for cloud in by_share[share]
        if 10 * cloud.dims <= n
    ]
    gaps = [differences(by_share[25][at].uniformity, by_share[75][at].uniformity) for at in (0, -1)]
    merging = [[1 - 10 * last / first for first, last in zip(*gaps, strict=True)]]
    return Outcome(
        verdict=judge([*flat, *merging]),
        measured=f"From {widths[0]} to {widths[-1]} dimensions, W2 with 25, 50 and 75 % of them dead goes from "
        f"{_numbers([by_share[share][0].w2 for share in shares])} to "
        f"{_numbers([by_share[share][-1].w2 for share in shares])}; Wang & Isola's uniformity of 25 and of 75 % "
        f"differs by {mean(gaps[0]):.2f}, then by {mean(gaps[1]):.3f} ({settings.averaged}, {n:,} rows).",
        panels=tuple(
            Panel(
                title=f"{name} by dimension",
                x_label="dimensions m",
                y_label=unit,
                series=_lines([(f"{s} % dead", [(c.dims, c) for c in by_share[s]]) for s in shares], name, n),
                log_x=True,
            )
            for name, unit in _UNITS.items()
        ),
        rows=_rows(scored),
    )


_UNITS = {_W2: "W2 (0 uniform, 1.41 one point)", _LU: "log mean potential (−4 uniform, 0 one point)"}


def _lines(named: Sequence[tuple[str, Sequence[tuple[float, Cloud]]]], score: str, n: int) -> tuple[Series, ...]:
    """One line of means for each name, and its closed form, which for W2 includes what n rows leave."""
    expected: Callable[[Cloud], float] = (
        (lambda cloud: expected_w2(n, cloud.alive, cloud.dims))
        if score == _W2
        else (lambda cloud: expected_uniformity(cloud.alive))
    )
    lines = []
    for name, line in named:
        x = tuple(float(at) for at, _ in line)
        values = [cloud.w2 if score == _W2 else cloud.uniformity for _, cloud in line]
        lines.append(Series(label=name, x=x, y=tuple(map(mean, values)), style="points"))
        lines.append(Series(label="closed form", x=x, y=tuple(expected(cloud) for _, cloud in line), style="expected"))
    return tuple(lines)


def _rows(scored: Sequence[Cloud]) -> tuple[dict[str, str | float], ...]:
    return tuple(
        {"m": one.dims, "alive": one.alive, "seed": seed, "W2": one.w2[seed], "Wang-Isola": one.uniformity[seed]}
        for one in scored
        for seed in range(len(one.w2))
    )


def _numbers(values: Sequence[Sequence[float]]) -> str:
    return ", ".join(f"{mean(value):.2f}" for value in values)


def dead_spectrum(settings: Settings, dims: int = 64, samples: int = 2000) -> Outcome:
    """Figure 13: the spectrum of N(0, I/m) with k zero features."""
    added = (0, dims // 4, dims, 3 * dims)
    series, rows = [], []
    off = 0
    for seed in range(settings.seeds):
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randn(samples, dims, generator=generator, dtype=torch.float64) / math.sqrt(dims)
        for k in added:
            z = pad(drawn, (0, k))
            values = spectrum(z)
            zeros, share = int((values < 1e-12 * values[0]).sum()), dead_dimensions(z)
            off += abs(zeros - k) + (abs(share - k / (dims + k)) > 1e-12)
            rows.append(
                {"k": k, "seed": seed, "zero values": zeros, "dead share": share, "k / (m + k)": k / (dims + k)}
            )
            if seed == 0:
                x = tuple(float(at) for at in range(1, len(values) + 1))
                shown = tuple(float(value) if value > 1e-12 * values[0] else 1e-6 for value in values)
                series.append(Series(label=f"k = {k}", x=x, y=shown))
    population = Series(label="population, 1/m", x=(1.0, float(dims)), y=(1 / dims, 1 / dims), style="expected")
    return Outcome(
        verdict=judge([[0.5 - off]]),
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


COLLAPSE_DEGREE = Experiment(
    name="w2/collapse-degree",
    paper="Fang et al. 2024, section on collapse degrees, figure 3",
    title="Ever more dead dimensions, two scores",
    claim="W2 gets steadily worse with the share of dead dimensions, in the same way for every dimension; Wang and "
    "Isola's uniformity hardly moves until most are dead.",
    minutes=0.4,
    full="20,000 samples in up to 1,000 dimensions",
    run=collapse_degree,
)

DIMENSION = Experiment(
    name="w2/dimension",
    paper="Fang et al. 2024, figure 4",
    title="The same share of dead dimensions, in 4 to 512",
    claim="W2 scores a share of dead dimensions alike in few and in many dimensions; Wang and Isola's uniformity "
    "cannot tell the shares apart in many.",
    minutes=0.2,
    full="50,000 samples in up to 4,096 dimensions",
    run=dimension,
)

DEAD_DIMENSIONS = Experiment(
    name="w2/dead-dimensions",
    paper="Fang et al. 2024, figure 13",
    title="The spectrum of a cloud with zero features",
    claim="k zero features beside m live ones show as k zero singular values, a collapse degree of k / (m + k).",
    minutes=0.01,
    run=dead_spectrum,
)
