"""Fang et al. (2024), figures 3 and 4: clouds with dead dimensions, scored by W2 and by Wang & Isola."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean

from fullrank.metrics import uniformity, w2_uniformity
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import differences
from fullrank.papers.kit.parts import BOUND, DISTANCE, EXACT, Margin, Part, Table
from fullrank.papers.w2.theory import expected_uniformity, expected_w2, sphere
from fullrank.stats import RunningMoments

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
        scores = [_scores(n, alive, dims, seed) for seed in settings.each_seed]
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
    m = widths[-1]
    return Outcome(
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
    gaps = [differences(by_share[25][at].uniformity, by_share[75][at].uniformity) for at in (0, -1)]
    return Outcome(
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


def _widths(table: Table) -> list[float]:
    return sorted({float(row["m"] or 0) for row in table.rows})


def _case(m: float, dead: int) -> tuple[float, float]:
    """The case of a width and a share of dead dimensions, in percent."""
    return m, max(1, round(m * (100 - dead) / 100))


def _worst(table: Table) -> list[float]:
    """What half of the widest cloud's dimensions cost in W2."""
    m = _widths(table)[-1]
    return table.gain(_W2, _case(m, 50), over=_case(m, 0))


def _blind(table: Table) -> list[float]:
    """Half of the dimensions are gone, and the score has moved by less than a twentieth of its range of 4."""
    moved = [table.gain(_LU, _case(m, 50), over=_case(m, 0)) for m in _widths(table)]
    return [0.2 - max(map(abs, seed)) for seed in zip(*moved, strict=True)]


def _alike(table: Table) -> list[float]:
    """With half of the dimensions dead, W2 in the widest cloud less that in the narrowest."""
    first, *_, last = _widths(table)
    return table.gain(_W2, _case(last, 50), over=_case(first, 50))


def _steady(table: Table) -> list[float]:
    """The least that five percent more dead dimensions cost, in any width."""
    least = []
    for m in _widths(table):
        alive = sorted({float(row["alive"] or 0) for row in table.rows if row["m"] == m}, reverse=True)
        least += [table.gain(_W2, (m, fewer), over=(m, more)) for more, fewer in pairwise(alive)]
    return [min(seed) for seed in zip(*least, strict=True)]


def _flat(share: int) -> Part:
    """The part that W2 of a share is within 5 % of its closed form, where there are ten rows for each dimension.

    Fewer rows leave a floor, which the paper's 50,000 hide.
    """
    level = math.sqrt(2 - 2 * math.sqrt(1 - share / 100))

    def near(table: Table) -> list[float]:
        widths = [m for m in _widths(table) if m <= 500]
        off = [[abs(one - level) for one in table.of(_W2, *_case(m, share))] for m in widths]
        return [0.05 * level - max(seed) for seed in zip(*off, strict=True)]

    says = f"{share} % dead: W2 is within 5 % of {level:.2f} in every dimension"
    return Part(says=says, effect=near, margin=BOUND, source="paper", kind="above")


def _merging(table: Table) -> list[float]:
    """Wang & Isola's loss tells 25 from 75 % dead in the widest cloud by less than a tenth of the narrowest's."""
    ends = [table.gain(_LU, _case(m, 75), over=_case(m, 25)) for m in (_widths(table)[0], _widths(table)[-1])]
    return [1 - 10 * last / first for first, last in zip(*ends, strict=True)]


COLLAPSE_DEGREE = Experiment(
    name="w2/collapse-degree",
    paper="Fang et al. 2024, section on collapse degrees, figure 3",
    title="Ever more dead dimensions, two scores",
    claim="W2 gets steadily worse with the share of dead dimensions, in the same way for every dimension; Wang and "
    "Isola's uniformity hardly moves until most are dead.",
    minutes=0.4,
    full="20,000 samples in up to 1,000 dimensions",
    run=collapse_degree,
    caveat="Only directions are tested: Wang and Isola's loss with t = 1 passes as well.",
    parts=(
        Part(says="W2 is higher with half of the dimensions dead", effect=_worst, margin=DISTANCE, source="paper"),
        Part(
            says="Wang-Isola moves by less than 0.2 until half are dead",
            effect=_blind,
            margin=BOUND,
            source="paper",
            kind="above",
        ),
        Part(
            says="W2 of half dead is level from the narrowest cloud to the widest",
            effect=_alike,
            margin=Margin(0.02, "W2", "1.4 % of its range"),
            source="paper",
            kind="level",
        ),
        Part(
            says="W2 rises with each five percent, in every width",
            effect=_steady,
            margin=EXACT,
            source="paper",
            kind="exact",
        ),
    ),
)

DIMENSION = Experiment(
    name="w2/dimension",
    paper="Fang et al. 2024, figure 4",
    title="The same share of dead dimensions, in 4 to 512",
    claim="W2 scores a share of dead dimensions alike in few and in many dimensions; Wang and Isola's uniformity "
    "cannot tell the shares apart in many.",
    minutes=0.13,
    full="50,000 samples in up to 4,096 dimensions",
    run=dimension,
    caveat="The part on Wang and Isola's loss tests a direction: with t = 1 it passes as well.",
    parts=(
        _flat(50),
        _flat(25),
        _flat(75),
        Part(
            says="in the widest cloud Wang-Isola tells 25 from 75 % dead by less than a tenth of the narrowest's",
            effect=_merging,
            margin=BOUND,
            source="paper",
            kind="above",
        ),
    ),
)
