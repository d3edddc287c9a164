"""The order of the rows and the seed decide nothing, also where a number lies at its threshold."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.diagnosis.kinds.cluster import BAND, JUMPS

N, DIMS = 300, 32


def _normal(seed: int, dims: int = DIMS) -> Tensor:
    return torch.randn(N, dims, generator=torch.Generator().manual_seed(seed))


def few_directions() -> Tensor:
    """Eigenvalues that decay like a power law."""
    return _normal(0) * torch.arange(1, DIMS + 1) ** -0.69


def tight_spots() -> Tensor:
    """Clusters at whose edge distances jump just to the threshold."""
    return 6.0 * _normal(1, 128)[torch.arange(N) % 10] + 0.312 * 6.0 * _normal(2, 128)


def cone() -> Tensor:
    """All rows lean in one direction."""
    return _normal(3) + 1.225


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cloud", "name", "threshold"),
    [(few_directions, "decay_exponent", 1.4), (tight_spots, "neighbor_jump", JUMPS), (cone, "cosine_excess", 0.6)],
)
def test_20_permutations_of_a_borderline_cloud_give_one_verdict(
    cloud: Callable[[], Tensor], name: str, threshold: float
) -> None:
    z = cloud()
    verdicts = set()
    for seed in range(20):
        order = torch.randperm(N, generator=torch.Generator().manual_seed(seed))
        report = fullrank.diagnose(z[order])
        verdicts.add((report.verdict, report.kind))
    assert report.measurements[name].value == pytest.approx(threshold, rel=0.03)  # else it is not at the threshold
    assert len(verdicts) == 1, verdicts


@pytest.mark.slow
def test_samples_of_many_rows_do_not_decide_what_lies_at_the_threshold_of_clusters() -> None:
    """Of 3,000 rows each seed draws other 2,048, so that the jump moves; the band is wider than it moves."""
    rows = 3000
    normal = [torch.randn(rows, DIMS, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    z = 6.0 * normal[0][torch.arange(rows) % 10] + 0.2452 * 6.0 * normal[1]
    reports = [fullrank.diagnose(z, seed=seed) for seed in range(5)]
    values = [report.measurements["neighbor_jump"].value for report in reports]
    assert values == pytest.approx([JUMPS] * 5, rel=BAND)
    assert max(values) - min(values) > 1e-3  # else the seed draws nothing
    assert all(next(one.unsure for one in report.findings if one.rule == "clusters") for report in reports)
    assert len({(report.verdict, report.kind) for report in reports}) == 1
