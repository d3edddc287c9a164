"""What is printed is what an interval is about, white clouds are white, order is nothing; which rows it is."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank.metrics.measure import RECORDS, Measured, measure
from fullrank.stats import normalize
from fullrank.stats.sketch import sketch
from tests.metrics.clouds import gaussian, low_rank, power_law


def of(z: Tensor) -> dict[str, Measured]:
    return measure(sketch([z]))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_value_lies_in_its_own_interval(seed: int) -> None:
    clouds = [
        gaussian(800, 32, seed),
        power_law(1.0, 500, 48, seed),
        low_rank(5, 200, 16, seed),
        gaussian(60, 90, seed),
    ]
    for z in [*clouds, clouds[0] + 2, clouds[0].repeat(2, 1), torch.ones(40, 3)]:
        for one in of(z).values():
            if one.low is not None and one.high is not None:
                assert one.low <= one.value <= one.high, one


@pytest.mark.slow
def test_white_embeddings_have_no_head() -> None:
    z = gaussian(2000, 64)
    left = torch.linalg.svd(z - z.mean(0), full_matrices=False).U
    head = of(left)["head_weight"]  # PCA whitening of the rows themselves
    assert head.low is not None
    assert head.high is not None
    assert head.low <= 0 <= head.high
    assert abs(head.value) < 1e-3
    assert head.high < 0.25


@pytest.mark.slow
def test_the_order_of_the_rows_changes_no_number_by_more_than_its_null() -> None:
    z = power_law(1.0, 500, 32) + 0.1
    shuffled = z[torch.randperm(500, generator=torch.Generator().manual_seed(0))]
    found, other = of(z), of(shuffled)
    for name, one in found.items():
        if one.low is None and "neighbor" not in name and name not in ("hub_excess", "antihub_excess"):
            assert other[name].value == pytest.approx(one.value, rel=1e-9, abs=1e-12), name
    assert other["hub_skewness"].null == found["hub_skewness"].null  # a draw by seed and spectrum alone
    assert other["hub_excess"].value == pytest.approx(found["hub_excess"].value, abs=1e-9)


@pytest.mark.slow
def test_numbers_say_which_rows_dimensions_and_classes_they_are_about() -> None:
    z = gaussian(300, 16)
    z[[6, 249]] = 0
    z[5] = z[201]
    labels = torch.arange(300) % 3
    z[labels == 1] = z[labels == 1] * 0.01 + 1
    z[:, 3] = 0
    z[:, 9] = 2 * z[:, 4]
    z[:, 12] *= 40
    found = measure(sketch([z]), labels=labels + 5)
    assert found["zero_rows"].which == (6, 249)
    assert found["duplicate_rows"].which == (201,)
    assert found["dead_dimensions"].which == (3,)
    assert found["duplicate_dimensions"].which == (4,)
    assert found["rogue_dimension"].which[0] == 12
    assert found["class_spread"].which == (6,)
    hubs = gaussian(400, 32) + 0.1
    hubs[13] = hubs.mean(0) * 40
    assert 13 in measure(sketch([hubs]))["hub_skewness"].which
    for one in found.values():
        assert len(one.which) <= 20
        assert not one.which or RECORDS[one.name].which_are is not None


@pytest.mark.slow
def test_row_numbers_are_those_of_the_whole_file() -> None:
    z = gaussian(9000, 4)
    z[8123] = z[17]
    found = measure(sketch([z]))["near_duplicate_rows"]
    assert found.sampled == 2048
    assert max(found.which) > 2048  # numbers of the file, not of the sample
    some = normalize(z)
    assert float((some[list(found.which)] @ some.T).topk(2).values[:, 1].min()) > 0.999
