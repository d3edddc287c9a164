"""Collapse metrics over batches and processes: any split gives what the function gives of all rows at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing.spawn import spawn

from fullrank.errors import UserError
from fullrank.metrics import (
    effective_rank,
    participation_ratio,
    rankme,
    relative_spread,
    w2_uniformity,
)
from fullrank.watch import (
    EffectiveRank,
    MomentsMetric,
    ParticipationRatio,
    RankMe,
    RelativeSpread,
    W2Uniformity,
    collapse_metrics,
)
from tests.metrics.clouds import gaussian, low_rank, offset, power_law
from tests.processes import joined

DIMS = 12
CLOUDS = {
    "power 1": power_law(1.0, 203, DIMS),
    "rank 3": low_rank(3, 203, DIMS),
    "point": 1000 * offset(1e-3, 203, DIMS),
    "far point": offset(1e-6, 203, DIMS),
    "constant": torch.full((203, DIMS), 0.1, dtype=torch.float64),
}
METRICS = {
    "RelativeSpread": (RelativeSpread, relative_spread),
    "EffectiveRank": (EffectiveRank, effective_rank),
    "RankMe": (RankMe, rankme),
    "ParticipationRatio": (ParticipationRatio, participation_ratio),
    "W2Uniformity": (W2Uniformity, w2_uniformity),
}
SHARES = ((64, 64, 5), (64, 6))  # batches of two processes: neither their number nor their size is equal


def batches(z: Tensor) -> list[list[Tensor]]:
    parts = iter(z.split([size for share in SHARES for size in share]))
    return [[next(parts) for _ in share] for share in SHARES]


def process(rank: int, folder: str) -> None:
    with joined(rank, len(SHARES), folder):
        found = {}
        for name, z in CLOUDS.items():
            metrics = collapse_metrics(DIMS)
            for batch in batches(z)[rank]:
                metrics.update(batch)
            found[name] = metrics.compute()
        alone = EffectiveRank(DIMS)
        if rank == 0:
            alone.update(CLOUDS["power 1"])
        else:
            alone.update(torch.zeros(0, DIMS))  # a process without a row
        found["alone"] = {"EffectiveRank": alone.compute()}
        torch.save(found, f"{folder}/{rank}.pt")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    folder: Path = tmp_path_factory.mktemp("world")
    spawn(process, args=(str(folder),), nprocs=len(SHARES))
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(len(SHARES))]


@pytest.mark.slow
@pytest.mark.parametrize("rank", range(len(SHARES)))
@pytest.mark.parametrize("cloud", CLOUDS)
def test_two_processes_with_uneven_batches_equal_one(
    world: list[dict[str, dict[str, Tensor]]], cloud: str, rank: int
) -> None:
    whole = collapse_metrics(DIMS)
    whole.update(CLOUDS[cloud])
    one = {name: float(value) for name, value in whole.compute().items()}
    two = {name: float(value) for name, value in world[rank][cloud].items()}
    assert sorted(two) == sorted(METRICS)
    # RankMe is uncentered: it takes the root of eigenvalues of 1e-12 beside one of 1, which rounds at 1e-16.
    rounding = 1e-8 if cloud == "far point" else 1e-9
    assert two.pop("RankMe") == pytest.approx(one.pop("RankMe"), rel=rounding)
    assert two == pytest.approx(one, rel=1e-9, abs=1e-9)


@pytest.mark.slow
def test_a_process_without_a_row_changes_nothing(world: list[dict[str, dict[str, Tensor]]]) -> None:
    expected = effective_rank(CLOUDS["power 1"])
    for found in world:
        assert float(found["alone"]["EffectiveRank"]) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("cloud", CLOUDS)
def test_batches_equal_the_function_of_all_rows(cloud: str, name: str) -> None:
    kind, function = METRICS[name]
    metric = kind(DIMS)
    for part in CLOUDS[cloud].split(40):
        metric.update(part)
    assert float(metric.compute()) == pytest.approx(function(CLOUDS[cloud]), rel=1e-6, abs=1e-6)


def test_the_value_of_a_batch_is_that_batch_and_the_state_goes_on() -> None:
    """forward() returns the batch's own value and merges the states: this is where full_state_update=False counts."""
    z = CLOUDS["power 1"]
    metric = EffectiveRank(DIMS)
    for part in z.split(50):
        assert float(metric(part)) == pytest.approx(effective_rank(part), rel=1e-9)
    assert float(metric.compute()) == pytest.approx(effective_rank(z), rel=1e-9)
    metric.reset()
    metric.update(z[:60])
    assert float(metric.compute()) == pytest.approx(effective_rank(z[:60]), rel=1e-9)


def test_merge_state_adds_another_metric() -> None:
    z = CLOUDS["power 1"]
    first, second = RankMe(DIMS), RankMe(DIMS)
    first.update(z[:80])
    second.update(z[80:])
    first.merge_state(second)
    assert float(first.compute()) == pytest.approx(rankme(z), rel=1e-9)


def test_the_collection_keeps_two_states() -> None:
    """Also when the first batch has rows of length 1, for which both are equal."""
    metrics = collapse_metrics(DIMS)
    metrics.update(torch.eye(DIMS))
    metrics.update(5 * gaussian(50, DIMS))
    groups = sorted(sorted(group) for group in metrics.compute_groups.values())
    assert groups == [["EffectiveRank", "ParticipationRatio", "RankMe", "RelativeSpread"], ["W2Uniformity"]]
    z = torch.cat([torch.eye(DIMS).double(), 5 * gaussian(50, DIMS)])
    for name, value in metrics.compute().items():
        assert float(value) == pytest.approx(METRICS[name][1](z), rel=1e-9), name


CASTS: dict[str, Callable[[nn.Module], object]] = {
    "half": lambda module: module.half(),
    "float": lambda module: module.float(),
    "type": lambda module: module.type(torch.float32),
    "to bfloat16": lambda module: module.to(torch.bfloat16),
    "to float32": lambda module: module.to(dtype=torch.float32),
    "to device and float32": lambda module: module.to("cpu", torch.float32),
    "to another": lambda module: module.to(torch.zeros(1, dtype=torch.float16)),
    "set_dtype": lambda module: module.get_submodule("all").set_dtype(torch.float32),  # type: ignore[operator]
}


@pytest.mark.parametrize("cast", CASTS.values(), ids=CASTS.keys())
def test_the_state_keeps_every_digit_in_a_module_of_another_precision(cast: Callable[[nn.Module], object]) -> None:
    first, second = CLOUDS["power 1"][:80], CLOUDS["power 1"][80:].bfloat16()
    metrics, alone = collapse_metrics(DIMS), collapse_metrics(DIMS)
    metrics.update(first)
    cast(nn.ModuleDict({"all": metrics}))
    metrics.update(second)
    for part in (first, second):
        alone.update(part)
    assert metrics.compute() == alone.compute()
    metrics.reset()
    metrics.update(first)
    assert float(metrics.compute()["RankMe"]) == pytest.approx(rankme(first), rel=1e-9)
    assert {one.moments.dtype for one in metrics.values() if isinstance(one, MomentsMetric)} == {torch.float64}


def test_the_state_goes_to_the_device_of_a_module_that_is_cast() -> None:
    metric = EffectiveRank(DIMS)
    nn.ModuleDict({"rank": metric}).to("meta", torch.bfloat16)
    assert (metric.moments.device.type, metric.moments.dtype, metric.device.type) == ("meta", torch.float64, "meta")


@pytest.mark.parametrize("z", [torch.zeros(3), torch.zeros(3, DIMS + 1), torch.zeros(2, 3, DIMS)])
def test_another_shape_is_refused(z: Tensor) -> None:
    with pytest.raises(UserError, match=rf"pass \(samples, {DIMS}\)"):
        RankMe(DIMS).update(z)


def test_nan_and_no_dimension_are_refused() -> None:
    metric = RankMe(DIMS)
    metric.update(torch.full((4, DIMS), torch.nan))
    with pytest.raises(UserError, match="NaN"):
        metric.compute()
    with pytest.raises(UserError, match="0 dimensions"):
        RankMe(0)
