"""Fang et al. (2024), figures 5, 6 and 11: what copies and zeros do to W2 and to Wang & Isola's loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import mean

from torch import Tensor
from torch.nn.functional import pad

from fullrank.losses import uniformity as uniformity_loss
from fullrank.losses import w2 as w2_loss
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.parts import DISTANCE, EXACT, NATS, Part, Table, higher, lower
from fullrank.papers.w2.theory import expected_uniformity, expected_w2, raw_w2, sphere
from fullrank.stats import log_gaussian_potential

DIMS = 32
ALIVE = {"75 % dead": 8, "50 % dead": 16, "25 % dead": 24}
ADDED = tuple(range(11))  # clones, or as many zero features as there are live and dead ones
_SAME = 1e-6
_UNITS = ("W2 (no unit)", "log mean potential (no unit)")
Scores = Mapping[str, Sequence[Sequence[tuple[float, float]]]]  # W2 and uniformity by cloud, number added and seed


def raw_uniformity(z: Tensor) -> float:
    """Wang & Isola's loss of z (N, D) as it is, not scaled to length 1."""
    return float(log_gaussian_potential(z))


def scores(change: Callable[[Tensor, int], Tensor], settings: Settings, samples: int | None) -> tuple[Scores, int]:
    """W2 and Wang & Isola's loss of each cloud, changed ever more; rows are not scaled back to length 1."""
    n = samples or (50_000 if settings.full else 2000)
    found: dict[str, list[list[tuple[float, float]]]] = {}
    for at, (name, alive) in enumerate(ALIVE.items(), 1):
        drawn = [sphere(n, alive, DIMS, seed) for seed in settings.each_seed]
        changed = ([change(z, count) for z in drawn] for count in ADDED)
        found[name] = [[(raw_w2(z), raw_uniformity(z)) for z in seeds] for seeds in changed]
        settings.progress(at / len(ALIVE))
    return found, n


def feature_cloning(settings: Settings, samples: int | None = None) -> Outcome:
    """Figure 5: every feature again and again."""
    found, n = scores(lambda z, clones: z.repeat(1, 1 + clones), settings, samples)
    shown = found["50 % dead"]
    return Outcome(
        measured=f"With 0, 1 and 10 clones of {DIMS} features, half of them dead, W2 is {_means(shown, 0)} and Wang & "
        f"Isola's uniformity {_means(shown, 1)}, where less counts as more uniform ({settings.averaged}, "
        f"{n:,} rows).",
        panels=(
            _panel("W2 gets worse", "clones of every feature", found, 0, lambda k, c: _cloned(n, k, c)),
            _panel(
                "Wang-Isola gets better",
                "clones of every feature",
                found,
                1,
                lambda k, c: expected_uniformity(k, 2.0 * (1 + c)),
            ),
        ),
        rows=_rows(found, "clones"),
    )


def feature_baby(settings: Settings, samples: int | None = None) -> Outcome:
    """Figure 6: ever more features that are always zero."""
    found, n = scores(lambda z, times: pad(z, (0, times * DIMS)), settings, samples)
    shown = found["50 % dead"]
    return Outcome(
        measured=f"With 0, {DIMS} and {10 * DIMS} zero features beside {DIMS}, half of them dead, W2 is "
        f"{_means(shown, 0)}, Wang & Isola's uniformity {_means(shown, 1)} ({settings.averaged}, "
        f"{n:,} rows).",
        panels=(
            _panel("W2 gets worse", f"zero features, times {DIMS}", found, 0, lambda k, i: _padded(n, k, i)),
            _panel(
                "Wang-Isola stays",
                f"zero features, times {DIMS}",
                found,
                1,
                lambda k, _: expected_uniformity(k),
            ),
        ),
        rows=_rows(found, f"zero features / {DIMS}"),
    )


def instance_cloning(settings: Settings, samples: int | None = None) -> Outcome:
    """Figure 11: every sample again and again, scored by the losses, which take every pair."""
    n, alive = samples or 1000, ALIVE["50 % dead"]
    drawn = [sphere(n, alive, DIMS, seed) for seed in settings.each_seed]
    found = []
    for clones in ADDED:
        views = [z.repeat(1 + clones, 1)[None] for z in drawn]
        found.append([(float(w2_loss(z)["loss"]), float(uniformity_loss(z)["loss"])) for z in views])
        settings.progress((1 + clones) / len(ADDED))
    exact = [mean(_cloned_rows(n, score[1], clones) for score in found[0]) for clones in ADDED]
    off = max(abs(mean(score[1] for score in seeds) - value) for seeds, value in zip(found, exact, strict=True))
    named = {"50 % dead": found}
    x = tuple(map(float, ADDED))
    same = Series(label="closed form", x=x, y=(mean(score[0] for score in found[0]),) * len(x), style="expected")
    formula = Series(label="closed form", x=x, y=tuple(exact), style="expected")
    return Outcome(
        measured=f"With 0, 1 and 10 clones of {n} samples, W2 is {_means(found, 0, 4)}, Wang & Isola's uniformity "
        f"{_means(found, 1, 4)}, at most {off:.0e} from its closed form ({settings.averaged}).",
        panels=(
            Panel(
                title="W2 stays",
                x_label="clones of every sample",
                y_label=_UNITS[0],
                series=(_line("W2", found, 0), same),
            ),
            Panel(
                title="Wang-Isola gets worse",
                x_label="clones of every sample",
                y_label=_UNITS[1],
                series=(_line("Wang-Isola", found, 1), formula),
            ),
        ),
        rows=_rows(named, "clones"),
    )


def _cloned(n: int, alive: int, clones: int) -> float:
    """W2 of unit rows and their clones side by side: each clone adds 1 to its square."""
    return math.sqrt(clones + expected_w2(n, alive, DIMS) ** 2)


def _padded(n: int, alive: int, times: int) -> float:
    return math.sqrt(2 - (2 - expected_w2(n, alive, DIMS) ** 2) / math.sqrt(1 + times))


def _cloned_rows(n: int, before: float, clones: int) -> float:
    """Wang & Isola's loss of n rows, each c times, by that of the rows: c^2 G + n c (c - 1) / 2 kernels in all."""
    c = 1 + clones
    kernels = c**2 * math.exp(before) * n * (n - 1) / 2 + n * c * (c - 1) / 2
    return math.log(kernels / (c * n * (c * n - 1) / 2))


def _means(found: Sequence[Sequence[tuple[float, float]]], score: int, digits: int = 2) -> str:
    return ", ".join(f"{mean(seed[score] for seed in found[at]):.{digits}f}" for at in (0, 1, 10))


def _line(label: str, found: Sequence[Sequence[tuple[float, float]]], score: int) -> Series:
    y = tuple(mean(seed[score] for seed in seeds) for seeds in found)
    return Series(label=label, x=tuple(map(float, ADDED)), y=y, style="points")


def _panel(title: str, x_label: str, found: Scores, score: int, expected: Callable[[int, int], float]) -> Panel:
    series: list[Series] = []
    for name, alive in ALIVE.items():
        y = tuple(expected(alive, count) for count in ADDED)
        series.append(_line(name, found[name], score))
        series.append(Series(label="closed form", x=tuple(map(float, ADDED)), y=y, style="expected"))
    return Panel(title=title, x_label=x_label, y_label=_UNITS[score], series=tuple(series))


def _rows(found: Scores, added: str) -> tuple[dict[str, str | float], ...]:
    return tuple(
        {"cloud": name, added: count, "seed": seed, "W2": values[0], "Wang-Isola": values[1]}
        for name, counts in found.items()
        for count, seeds in zip(ADDED, counts, strict=True)
        for seed, values in enumerate(seeds)
    )


_HALF, _LU = "50 % dead", "Wang-Isola"


def _unchanged(column: str, cloud: str) -> Part:
    """The part that no clone and no zero feature moves a score of a cloud."""

    def still(table: Table) -> list[float]:
        start = table.of(column, cloud, 0)
        ends = [table.of(column, cloud, count) for count in ADDED]
        return [_SAME - max(abs(end[seed] - first) for end in ends) for seed, first in enumerate(start)]

    says = f"{column} of {cloud} stays, to {_SAME:g}"
    return Part(says=says, effect=still, margin=EXACT, source="paper", kind="exact")


def _steady(column: str, cloud: str, sign: int) -> Part:
    """The part that each of the ten moves a score one way."""

    def least(table: Table) -> list[float]:
        values = [table.of(column, cloud, count) for count in ADDED]
        return [min(sign * (b - a) for a, b in pairwise(line)) for line in zip(*values, strict=True)]

    says = f"{column} of {cloud} {'rises' if sign > 0 else 'falls'} with each of the ten"
    return Part(says=says, effect=least, margin=EXACT, source="paper", kind="exact")


FEATURE_CLONING = Experiment(
    name="w2/feature-cloning",
    paper="Fang et al. 2024, figure 5",
    title="Clones of every feature",
    claim="Cloned features make W2 worse, while Wang and Isola's uniformity even takes them for an improvement.",
    minutes=0.28,
    full="50,000 samples",
    run=feature_cloning,
    caveat="Only directions are tested: Wang and Isola's loss with t = 1 passes as well.",
    parts=(
        higher("W2", (_HALF, 10), (_HALF, 0), DISTANCE, "paper"),
        lower(_LU, (_HALF, 10), (_HALF, 0), NATS, "paper"),
        *(_steady("W2", cloud, 1) for cloud in ALIVE),
        *(_steady(_LU, cloud, -1) for cloud in ALIVE),
    ),
)

FEATURE_BABY = Experiment(
    name="w2/feature-baby",
    paper="Fang et al. 2024, figure 6",
    title="Features that are always zero",
    claim="Zero features make W2 worse, while Wang and Isola's uniformity does not see them.",
    minutes=0.3,
    full="50,000 samples",
    run=feature_baby,
    caveat="Only directions are tested: Wang and Isola's loss with t = 1 passes as well.",
    parts=(
        higher("W2", (_HALF, 10), (_HALF, 0), DISTANCE, "paper"),
        *(_unchanged(_LU, cloud) for cloud in ALIVE),
        *(_steady("W2", cloud, 1) for cloud in ALIVE),
    ),
)

INSTANCE_CLONING = Experiment(
    name="w2/instance-cloning",
    paper="Fang et al. 2024, figure 11",
    title="Clones of every sample",
    claim="Cloned samples leave W2 as it is, while Wang and Isola's uniformity gets worse with each clone.",
    minutes=0.7,
    run=instance_cloning,
    parts=(_unchanged("W2", _HALF), higher(_LU, (_HALF, 10), (_HALF, 0), NATS, "paper"), _steady(_LU, _HALF, 1)),
)
