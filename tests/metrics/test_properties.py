"""The table of five properties: the paper's answers, the exact values behind them, and metrics of a user's own."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from fullrank.metrics import Properties, dead_dimensions, effective_rank, properties, uniformity, w2_uniformity
from fullrank.stats import log_gaussian_potential, normalize

N, M = 64, 16  # rows and features that the table is made with
ALL = ("instance permutation", "instance scaling", "instance cloning", "feature cloning", "feature baby")


def raw_w2(z: Tensor) -> float:
    """The paper's W2, which does not scale the rows it gets."""
    roots = torch.linalg.svdvals(z - z.mean(0)) / math.sqrt(len(z))
    mean, trace, m = z.mean(0).square().sum(), roots.square().sum(), z.shape[1]
    return math.sqrt(float(mean + 1 + trace - 2 / math.sqrt(m) * roots.sum()))


def raw_uniformity(z: Tensor) -> float:
    return float(log_gaussian_potential(z))


def table(metric: Callable[[Tensor], float], *, higher: bool = False, seed: int = 0) -> Properties:
    return properties(metric, higher_is_healthier=higher, seed=seed)


def after(metric: Callable[[Tensor], float], name: str) -> tuple[float, float]:
    (row,) = (row for row in table(metric).rows if row.name == name)
    return row.before, row.after


@pytest.mark.parametrize("seed", range(5))
def test_table_1_of_the_paper(seed: int) -> None:
    assert table(w2_uniformity, seed=seed).failed == ()
    assert table(uniformity, seed=seed).failed == ("instance cloning", "feature cloning", "feature baby")


@pytest.mark.parametrize("seed", range(3))
def test_without_scaling_the_rows_only_the_scaling_property_differs(seed: int) -> None:
    assert table(raw_w2, seed=seed).failed == ("instance scaling",)
    assert table(raw_uniformity, seed=seed).failed == ALL[1:]


def test_cloned_instances_exactly() -> None:
    before, cloned = after(uniformity, "instance cloning")
    kernels = math.exp(before) * N * (N - 1) / 2
    assert cloned == pytest.approx(math.log((4 * kernels + N) / (N * (2 * N - 1))), abs=1e-12)
    before, cloned = after(w2_uniformity, "instance cloning")
    assert cloned == pytest.approx(before, abs=1e-12)


def test_cloned_features_exactly() -> None:
    before, cloned = after(raw_w2, "feature cloning")
    assert cloned**2 == pytest.approx(1 + before**2, abs=1e-12)  # rows of length sqrt 2: the paper's case
    before, cloned = after(w2_uniformity, "feature cloning")
    assert cloned**2 == pytest.approx(2 - (2 - before**2) * math.sqrt(1 / 2), abs=1e-12)  # as M zero features
    before, cloned = after(uniformity, "feature cloning")
    assert cloned == pytest.approx(before, abs=1e-12)
    before, cloned = after(raw_uniformity, "feature cloning")
    assert cloned < before - 1  # redundancy improves it: squared distances double


@pytest.mark.parametrize("metric", [w2_uniformity, raw_w2])
def test_a_zero_feature_exactly(metric: Callable[[Tensor], float]) -> None:
    before, padded = after(metric, "feature baby")
    assert padded**2 == pytest.approx(2 - (2 - before**2) * math.sqrt(M / (M + 1)), abs=1e-12)
    before, padded = after(uniformity, "feature baby")
    assert padded == pytest.approx(before, abs=1e-12)


def test_the_direction_counts() -> None:
    assert table(lambda z: -w2_uniformity(z), higher=True).failed == ()
    assert table(lambda z: -w2_uniformity(z), higher=False).failed == ("feature cloning", "feature baby")


def share_of_dimensions(z: Tensor) -> float:
    """A user's own metric: effective rank of the unit rows, as a share of the features."""
    return effective_rank(normalize(z)) / z.shape[1]


def test_a_metric_of_a_users_own() -> None:
    assert table(share_of_dimensions, higher=True).failed == ()
    assert table(lambda z: effective_rank(normalize(z)), higher=True).failed == ("feature cloning", "feature baby")
    assert table(dead_dimensions).failed == ("feature cloning",)
    assert table(lambda z: float(z[0, 0])).failed[0] == "instance permutation"
    assert table(lambda z: float(z.square().sum())).failed[:2] == ("instance scaling", "instance cloning")
    assert table(lambda _: 1.0).failed == ("feature cloning", "feature baby")
    assert table(lambda _: math.nan).failed == ALL


def test_a_metric_in_float32_is_judged_alike() -> None:
    assert table(lambda z: raw_w2(normalize(z.float()))).failed == ()
    assert table(lambda z: float(log_gaussian_potential(normalize(z.float())))).failed == table(uniformity).failed


def test_metrics_get_unit_rows_and_leave_no_trace() -> None:
    state = torch.random.get_rng_state()
    shapes = []

    def spy(z: Tensor) -> float:
        shapes.append(tuple(z.shape))
        return float(z.norm(dim=1).mean())

    lengths = [row.after for row in table(spy).rows]
    assert shapes == [(N, M), (N, M), (N, M), (2 * N, M), (N, 2 * M), (N, M + 1)]
    assert [lengths[0], lengths[2], lengths[3], lengths[4]] == pytest.approx([1, 1, math.sqrt(2), 1])
    assert torch.equal(state, torch.random.get_rng_state())
    assert table(spy) == table(spy)
    assert table(spy, seed=1).rows[1].after != lengths[1]


def test_the_table_reads_well() -> None:
    lines = str(table(w2_uniformity)).splitlines()
    assert lines[0].split() == ["w2_uniformity", "before", "after", "demanded", "holds"]
    assert [line[:22].strip() for line in lines[1:]] == list(ALL)
    assert all(line.endswith("yes") for line in lines[1:])
    assert len({line.rindex(line.split()[-1]) for line in lines}) == 1  # one column below the other
