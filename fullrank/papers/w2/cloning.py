"""Fang et al. (2024), figures 5, 6 and 11 and table 1: what copies and zeros do to W2 and to Wang & Isola's loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from statistics import mean

from torch import Tensor
from torch.nn.functional import pad

from fullrank.losses import uniformity as uniformity_loss
from fullrank.losses import w2 as w2_loss
from fullrank.metrics import Properties, properties, uniformity, w2_uniformity
from fullrank.papers.kit.experiment import Experiment, Outcome, Panel, Series, Settings
from fullrank.papers.kit.judging import differences, judge
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
        drawn = [sphere(n, alive, DIMS, seed) for seed in range(settings.seeds)]
        changed = ([change(z, count) for z in drawn] for count in ADDED)
        found[name] = [[(raw_w2(z), raw_uniformity(z)) for z in seeds] for seeds in changed]
        settings.progress(at / len(ALIVE))
    return found, n


def feature_cloning(settings: Settings, samples: int | None = None) -> Outcome:
    """Figure 5: every feature again and again."""
    found, n = scores(lambda z, clones: z.repeat(1, 1 + clones), settings, samples)
    worse = [effect for name in ALIVE for effect in _steps(found[name], 0)]
    better = [[-value for value in effect] for name in ALIVE for effect in _steps(found[name], 1)]
    shown = found["50 % dead"]
    return Outcome(
        verdict=judge([*worse, *better]),
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
    worse = [effect for name in ALIVE for effect in _steps(found[name], 0)]
    constant = [[_SAME - abs(value) for value in effect] for name in ALIVE for effect in _steps(found[name], 1)]
    shown = found["50 % dead"]
    return Outcome(
        verdict=judge([*worse, *constant]),
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
    drawn = [sphere(n, alive, DIMS, seed) for seed in range(settings.seeds)]
    found = []
    for clones in ADDED:
        views = [z.repeat(1 + clones, 1)[None] for z in drawn]
        found.append([(float(w2_loss(z)["loss"]), float(uniformity_loss(z)["loss"])) for z in views])
        settings.progress((1 + clones) / len(ADDED))
    constant = [[_SAME - abs(value) for value in effect] for effect in _steps(found, 0)]
    worse = _steps(found, 1)
    exact = [mean(_cloned_rows(n, score[1], clones) for score in found[0]) for clones in ADDED]
    off = max(abs(mean(score[1] for score in seeds) - value) for seeds, value in zip(found, exact, strict=True))
    named = {"50 % dead": found}
    x = tuple(map(float, ADDED))
    same = Series(label="closed form", x=x, y=(mean(score[0] for score in found[0]),) * len(x), style="expected")
    formula = Series(label="closed form", x=x, y=tuple(exact), style="expected")
    return Outcome(
        verdict=judge([*constant, *worse]),
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


def _steps(found: Sequence[Sequence[tuple[float, float]]], score: int) -> list[list[float]]:
    """What each further clone adds to a score, in every seed."""
    values = [[seed[score] for seed in seeds] for seeds in found]
    return [differences(a, b) for a, b in pairwise(values)]


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


def table_1(settings: Settings) -> Outcome:
    """Which properties hold of W2 and of Wang & Isola's uniformity, with and without scaling rows to length 1."""
    metrics: dict[str, Callable[[Tensor], float]] = {
        "W2": w2_uniformity, "Wang-Isola": uniformity, "W2, rows as they are": raw_w2,
        "Wang-Isola, rows as they are": raw_uniformity,
    }  # fmt: skip
    found = {
        name: [properties(metric, higher_is_healthier=False, seed=seed) for seed in range(settings.seeds)]
        for name, metric in metrics.items()
    }
    # The paper's four; instance scaling is of an earlier version, and true of what scales its rows itself.
    blind = ("instance cloning", "feature cloning", "feature baby")
    expected: dict[str, tuple[str, ...]] = {
        "W2": (), "Wang-Isola": blind, "W2, rows as they are": (), "Wang-Isola, rows as they are": blind,
    }  # fmt: skip
    effects = [[1.0 if _failed(one) == expected[name] else -1.0 for one in seeds] for name, seeds in found.items()]
    words = [f"{name}: {', '.join(_failed(seeds[0])) or 'none'}" for name, seeds in found.items()]
    names = tuple(row.name for row in found["W2"][0].rows)
    series = tuple(
        Series(label=name, x=tuple(map(float, range(len(names)))), y=_changes(seeds), style="points")
        for name, seeds in found.items()
    )
    demanded = Series(label="no change", x=(0.0, float(len(names) - 1)), y=(0.0, 0.0), style="expected")
    return Outcome(
        verdict=judge(effects),
        measured=f"Of the paper's four properties fail in seed 0: {'; '.join(words)}.",
        panels=(
            Panel(
                title="Three must not change, two must rise",
                x_label="",
                y_label="change of the loss, lower is more uniform (no unit)",
                series=(*series, demanded),
                x_names=names,
            ),
        ),
        rows=tuple(
            {"metric": name, "seed": seed, **{row.name: "yes" if row.holds else "no" for row in one.rows}}
            for name, seeds in found.items()
            for seed, one in enumerate(seeds)
        ),
    )


def _failed(one: Properties) -> tuple[str, ...]:
    return tuple(name for name in one.failed if name != "instance scaling")


def _changes(seeds: Sequence[Properties]) -> tuple[float, ...]:
    return tuple(mean(one.rows[at].after - one.rows[at].before for one in seeds) for at in range(len(seeds[0].rows)))


FEATURE_CLONING = Experiment(
    name="w2/feature-cloning",
    paper="Fang et al. 2024, figure 5",
    title="Clones of every feature",
    claim="Cloned features make W2 worse, while Wang and Isola's uniformity even takes them for an improvement.",
    minutes=0.2,
    full="50,000 samples",
    run=feature_cloning,
)

FEATURE_BABY = Experiment(
    name="w2/feature-baby",
    paper="Fang et al. 2024, figure 6",
    title="Features that are always zero",
    claim="Zero features make W2 worse, while Wang and Isola's uniformity does not see them.",
    minutes=0.2,
    full="50,000 samples",
    run=feature_baby,
)

INSTANCE_CLONING = Experiment(
    name="w2/instance-cloning",
    paper="Fang et al. 2024, figure 11",
    title="Clones of every sample",
    claim="Cloned samples leave W2 as it is, while Wang and Isola's uniformity gets worse with each clone.",
    minutes=0.5,
    run=instance_cloning,
)

PROPERTIES = Experiment(
    name="w2/properties",
    paper="Fang et al. 2024, table 1",
    title="Four properties of a uniformity metric",
    claim="W2 has all four properties, Wang and Isola's uniformity only that of instance permutation.",
    minutes=0.01,
    run=table_1,
)
