"""The contract of every listed metric: ordered over collapses, truly blind where it says so, finite, invariant."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import get_args

import pytest
import torch
from torch import Tensor

import fullrank.metrics as room
from fullrank.errors import UserError
from fullrank.metrics import DESCRIPTIONS, METRICS, PAIR_METRICS, Collapse, Description, Metric, summarize
from fullrank.metrics.rank import uncentered_rankme
from fullrank.stats import Moments, merge, moments, normalize, spectrum

N, D = 256, 64
SEEN = 0.25  # a metric sees a collapse if it loses more than this share of its way from healthy to collapsed

NO_METRICS = {  # several numbers, or helpers
    *("hill_profile", "alpha_req", "lidar", "modality_gap", "neural_collapse", "class_ranks"),
    *("gaussian_like", "uniform_energy", "isotropic_hill"),
    *("summarize", "summarize_moments", "summarize_neighbors", "properties", "isotropic_spectrum"),
    *("jackknife", "jackknife_all", "jackknife_difference", "moment_groups", "rows_needed"),
    *("jackknife_pairs", "jackknife_rows", "pair_estimates", "alignment_estimate"),
    *("between_class_distance", "within_class_distance", "separability", "silhouette"),
}
EVERYTHING: tuple[Metric | Description, ...] = (*METRICS, *DESCRIPTIONS)


@cache
def noise(n: int = N, d: int = D, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@cache
def rotation(d: int = D) -> Tensor:
    q: Tensor = torch.linalg.qr(noise(d, d, seed=1)).Q
    return q


def complete(grade: int) -> Tensor:
    return noise() * 10.0 ** (-grade) + (grade > 0) * noise(1, seed=2)


def cone(grade: int) -> Tensor:
    direction = normalize(noise(1, seed=2))
    return noise() + [0, 1, 2, 4][grade] * math.sqrt(D) * direction


def dimensional(grade: int) -> Tensor:
    """Rank 64, 32, 16, 8, in directions that are no axes, over a faint noise."""
    rank = D >> grade
    return noise()[:, :rank] @ rotation()[:rank] * math.sqrt(D / rank) + 0.01 * noise(seed=3)


def cluster(grade: int) -> Tensor:
    """No clusters, then 32, 16, 8 of equal size at the corners of a centered simplex."""
    if grade == 0:
        return noise()
    k = D >> grade
    corners = (torch.eye(k, D, dtype=torch.float64) - torch.eye(k, D).mean(0)) @ rotation()
    return normalize(corners)[torch.arange(N) % k] * math.sqrt(D) + 0.05 * noise()


def dead(grade: int) -> Tensor:
    return noise() * (torch.arange(D) < D >> grade)


def duplicate(grade: int) -> Tensor:
    return noise()[:, : D >> grade].repeat(1, 1 << grade)


FAMILIES: dict[Collapse, Callable[[int], Tensor]] = {
    "complete": complete,
    "cone": cone,
    "dimensional": dimensional,
    "cluster": cluster,
    "dead": dead,
    "duplicate": duplicate,
}


def check_ordered(metric: Metric, kind: Collapse) -> None:
    """Every grade reads worse than the one before (or is at the bottom), and the last far worse; or it is blind."""
    health = [(1 if metric.higher_is_healthier else -1) * metric.function(FAMILIES[kind](g)) for g in range(4)]
    bottom = (1 if metric.higher_is_healthier else -1) * metric.collapsed
    way = metric.way or (abs(health[0] - bottom) if math.isfinite(bottom) else abs(health[0]))
    if kind in metric.blind_to:
        assert health[-1] >= health[0] - SEEN * max(way, 1e-9), f"{metric.name} is not blind to {kind}: {health}"
        return
    assert all(b < a or b == bottom for a, b in pairwise(health)), f"{metric.name} misorders {kind}: {health}"
    assert health[-1] < health[0] - SEEN * way, f"{metric.name} hardly sees {kind}: {health}"


def edges() -> dict[str, Tensor]:
    one = noise(1, D)
    return {
        "constant": one.float().expand(N, D),
        "zeros": torch.zeros(N, D),
        "one row": one,
        "one zero row": torch.zeros(1, D),
        "two rows": noise(2),
        "N < D": noise(8),
        "N = D": noise(D),
        "one dimension": noise(N, 1),
        "some zero rows": noise() * (torch.arange(N) % 2)[:, None],
        "huge": noise().float() * 1e30,
        "tiny": noise().float() * 1e-37,
        "huge double": noise() * 1e300,
        "tiny double": noise() * 1e-300,
        "both": noise() * 10.0 ** torch.linspace(-150, 150, N)[:, None].double(),
        "far away": noise().float() + 1e6,
        "half": noise().half(),
        "bfloat16": noise().bfloat16(),
        "integers": (10 * noise()).int(),
    }


def check_defined(metric: Metric) -> None:
    """A number within the metric's range, never NaN, whatever the input."""
    for case, z in edges().items():
        best = metric.ideal * z.shape[1] if metric.times_dims else metric.ideal
        low, high = sorted([best, metric.collapsed])
        if metric.ideal == metric.collapsed and not metric.times_dims:  # one point is no worst case
            high = math.inf
        value = metric.function(z)
        assert type(value) in (float, int), f"{metric.name} of {case} is a {type(value)}"
        assert not math.isnan(value), f"{metric.name} of {case} is NaN"
        assert low - 1.01 <= value <= high + 1.01, f"{metric.name} of {case} is {value}"  # 1: cosine of two rows


def check_collapsed(metric: Metric) -> None:
    """One point reads as listed, wherever it is and whatever arithmetic it went through."""
    points = [torch.full((N, D), 0.1), noise(1).expand(N, D), noise(1).expand(N, D) * 1e-30, torch.zeros(N, D)]
    for z in [*points, noise(1)]:
        torch.testing.assert_close(metric.function(z), metric.collapsed, atol=1e-3, rtol=0, check_dtype=False)


def check_ideal(metric: Metric) -> None:
    """The corners +-e_j, N = 2 D, have mean zero and equal variance in every direction."""
    corners = torch.cat([torch.eye(D), -torch.eye(D)]).repeat(1 if metric.of_pairs else 8, 1)
    ideal = metric.ideal * D if metric.times_dims else metric.ideal
    torch.testing.assert_close(metric.function(corners), ideal, atol=0.02, rtol=0.02, check_dtype=False)


def check_invariant(metric: Metric) -> None:
    """The order of the rows, the scale and, where declared, the axes do not matter; elsewhere the axes do."""
    tilted = dead(1) * torch.linspace(1, 2, D) + 0.3
    value = metric.function(tilted)
    shuffled = tilted[torch.randperm(N, generator=torch.Generator().manual_seed(0))]
    assert metric.function(shuffled) == pytest.approx(value, rel=1e-9)
    assert metric.function(tilted * 1e6) == pytest.approx(value, rel=1e-9)
    if metric.rotates:
        assert metric.function(tilted @ rotation()) == pytest.approx(value, rel=1e-9)
    elif metric.name != "duplicate_dimensions":
        assert metric.function(tilted @ rotation()) != pytest.approx(value, rel=1e-2)


def check_moments(metric: Metric) -> None:
    """Moments give what the rows give, and merging any split gives what the whole gives."""
    for z in [cone(2), dimensional(2), duplicate(2), dead(1), noise(8), noise(1), noise(1).expand(9, D)]:
        u = normalize(z)  # W2 uniformity takes moments of unit rows; the others take any
        value = pytest.approx(metric.function(u), rel=1e-8, abs=1e-12)
        assert metric.function(moments(u)) == value
        for cut in {0, 1, len(u) // 2, len(u)}:
            assert metric.function(merge(moments(u[:cut]), moments(u[cut:]))) == value


def faults(check: Callable[..., None], cases: Iterable[tuple[Metric | Description, *tuple[object, ...]]]) -> list[str]:
    """What the check says of every case that fails it: a metric, and what else the check takes."""
    said = []
    for metric, *rest in cases:
        try:
            check(metric, *rest)
        except (AssertionError, UserError, pytest.fail.Exception) as error:
            said.append(f"{metric.name} {rest}: {error}")
    return said


@pytest.mark.parametrize("kind", get_args(Collapse))
def test_every_metric_is_ordered_over_the_collapse_or_blind_to_it(kind: Collapse) -> None:
    assert faults(check_ordered, [(metric, kind) for metric in METRICS]) == []


@pytest.mark.parametrize(
    "check", [check_defined, check_collapsed, check_ideal, check_invariant], ids=lambda check: check.__name__[6:]
)
def test_every_metric_keeps(check: Callable[[Metric], None]) -> None:
    assert faults(check, [(metric,) for metric in METRICS]) == []


def test_moments_merge_to_the_whole() -> None:
    assert faults(check_moments, [(metric,) for metric in METRICS if metric.takes_moments]) == []


def check_named(metric: Metric | Description, bad: float, kind: str) -> None:
    """A number that is broken is refused by its name."""
    z = noise(8).clone()
    z[3, 4] = bad
    with pytest.raises(UserError, match=f"contain {kind}"):
        metric.function(z)
    if isinstance(metric, Metric) and metric.takes_moments:
        with pytest.raises(UserError, match="contain"):
            metric.function(moments(z))


def check_shape(metric: Metric | Description, shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="shape"):
        metric.function(torch.zeros(shape))


def test_broken_numbers_are_named() -> None:
    broken = ((math.nan, "NaN"), (math.inf, "infinity"), (-math.inf, "infinity"))
    assert faults(check_named, [(metric, *case) for metric in EVERYTHING for case in broken]) == []


def test_shapes_are_checked() -> None:
    shapes = ((0, 4), (4, 0), (4,), (2, 3, 4))
    assert faults(check_shape, [(metric, shape) for metric in EVERYTHING for shape in shapes]) == []


def test_every_public_function_is_listed_and_says_what_it_is_blind_to() -> None:
    public = {name for name in room.__all__ if inspect.isfunction(getattr(room, name))} - NO_METRICS
    listed: list[Metric | room.PairMetric | Description] = [*METRICS, *PAIR_METRICS, *DESCRIPTIONS]
    assert public == {metric.name for metric in listed}
    assert len(listed) == len(public)
    for metric in listed:
        assert metric.function is getattr(room, metric.name)
        said = " ".join((metric.function.__doc__ or "").split())
        assert "Blind to" in said or "rades no collapse" in said, metric.name


def test_no_collapse_escapes_a_monitor_row() -> None:
    row = summarize(noise())
    watching = [m for m in METRICS if m.name in row]
    for kind in get_args(Collapse):
        assert sum(kind not in metric.blind_to for metric in watching) >= 2


BY_NAME = {metric.name: metric for metric in METRICS}


def broken(name: str, function: Callable[..., float]) -> Metric:
    return replace(BY_NAME[name], function=function)


def padded_rankme(z: Tensor) -> float:
    """Gives total collapse the highest score: the constant is larger than what is left."""
    return uncentered_rankme(spectrum(z, centered=False), eps=0.02)


def test_the_contract_refuses_broken_metrics() -> None:
    def refused(check: Callable[..., None], metric: Metric, *rest: object) -> None:
        assert [said.split()[0] for said in faults(check, [(metric, *rest), (metric, *rest)])] == [metric.name] * 2

    erank, spread, w2 = BY_NAME["effective_rank"], BY_NAME["relative_spread"], BY_NAME["w2_uniformity"]
    refused(check_ordered, broken("effective_rank", lambda z: -erank.function(z)), "dimensional")
    refused(check_ordered, replace(erank, higher_is_healthier=False), "dimensional")
    refused(check_ordered, replace(erank, blind_to=frozenset()), "complete")  # blindness that is kept silent
    refused(check_ordered, replace(w2, blind_to=frozenset({"cone"})), "cone")  # blindness that is not real
    refused(check_ordered, broken("rankme", lambda _: 5.0), "cluster")
    refused(check_collapsed, broken("rankme", padded_rankme))
    refused(check_collapsed, broken("relative_spread", lambda z: float(z.std() / z.norm())))
    refused(check_defined, broken("relative_spread", lambda z: float(z.double().std() / z.double().norm())))
    refused(check_defined, broken("effective_rank", lambda z: 2.0 * erank.function(z)))
    refused(check_ideal, broken("w2_uniformity", lambda z: w2.function(z) + 0.1))
    refused(check_invariant, broken("effective_rank", lambda z: erank.function(z[:100])))  # order of the rows
    refused(check_invariant, broken("relative_spread", lambda z: float(z.double().std())))  # scale
    refused(check_invariant, replace(BY_NAME["dead_dimensions"], rotates=True))
    refused(check_invariant, replace(spread, rotates=False))
    refused(check_moments, replace(BY_NAME["rankme"], function=forgets_the_mean))
    refused(check_named, broken("rankme", lambda _: 5.0), math.nan, "NaN")
    refused(check_shape, broken("rankme", lambda _: 5.0), (4,))


def forgets_the_mean(z: Tensor | Moments) -> float:
    return room.rankme(z, convention="paper" if isinstance(z, Tensor) else "centered")
