"""Checks 10 and 11 of the CorInfoMax specification in full, and its behavioral assertions on a net of seconds."""

from __future__ import annotations

from functools import cache, partial

import pytest
import torch
from torch import Tensor, nn

from fullrank.losses import CorInfoMax
from fullrank.nn import mlp
from fullrank.stats import log_determinant
from fullrank.testing.clouds import aligned, noise

batch_only = partial(CorInfoMax, covariance_memory=0.0, mean_memory=0.0)


@pytest.mark.parametrize(("d", "n", "expected"), [(64, 1024, 4.191), (128, 256, 5.17)])
def test_corinfomax_check_10_more_finite_samples_on_the_sphere(d: int, n: int, expected: float) -> None:
    drawn = float(batch_only(d)(aligned(noise(n, d)))["log_determinant"]) / 2
    assert drawn == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(("condition", "error"), [(1e4, 1e-6), (1e6, 8e-5)])
def test_corinfomax_check_11_what_float32_would_cost(condition: float, error: float) -> None:
    """The error a dimension of a log-determinant in float32 and in float64, with exact values by construction."""
    d = 64
    basis = torch.linalg.qr(noise(d, d)).Q
    values = torch.logspace(0, -torch.tensor(condition).log10().item(), d, dtype=torch.float64)
    covariance = basis @ torch.diag(values) @ basis.T
    covariance = (covariance + covariance.T) / 2
    exact = float(values.log().sum())
    single = abs(float(torch.linalg.slogdet(covariance.float()).logabsdet) - exact) / d
    double = abs(float(log_determinant(covariance)) - exact) / d
    assert error / 20 < single < 20 * error  # the order; the digits are those of another matrix
    assert double < 1e-11


def views(step: int, n: int = 128) -> Tensor:
    """Two noisy views (2, N, 16) of 20 clusters in 16 features."""
    generator = torch.Generator().manual_seed(step)
    centers = noise(20, 16, seed=999).float()
    chosen = centers[torch.randint(0, 20, (n,), generator=generator)]
    return chosen + 0.3 * torch.randn(2, n, 16, generator=generator)


@cache
def trained(
    alpha: float, *, memory: float = 0.01, volume: bool = True, steps: int = 150
) -> tuple[float, float, Tensor]:
    """Invariance and log-determinant on new views, and the eigenvalues of the embeddings' covariance, after SGD."""
    torch.manual_seed(0)
    net = nn.Sequential(*mlp(16, (64, 8), norm="none", bias=True))
    loss = CorInfoMax(8, invariance=alpha, covariance_memory=memory, mean_memory=0.01)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for step in range(steps):
        terms = loss(torch.stack([net(view) for view in views(step)]))
        optimizer.zero_grad()
        (terms["loss"] if volume else alpha * terms["invariance"]).backward()
        optimizer.step()
    with torch.no_grad():
        z = torch.stack([net(view) for view in views(10_000, 1024)])
        terms = batch_only(8)(z)
    rows = nn.functional.normalize(z[0].double(), dim=1)
    return float(terms["invariance"]), float(terms["log_determinant"]), torch.linalg.eigvalsh(rows.T.cov())


BOUND = 2 * float(torch.tensor(8.0).log())  # 2 log D, the least log-determinant term of unit rows


@pytest.mark.slow
def test_corinfomax_behavior_without_the_log_determinant_it_collapses() -> None:
    _, volume, eigenvalues = trained(250.0, volume=False)
    assert float(eigenvalues[-1]) < 1e-2 * float(trained(250.0)[2][-1])
    assert volume > 3 * BOUND


@pytest.mark.slow
def test_corinfomax_behavior_without_the_invariance_it_reaches_the_bound() -> None:
    _, volume, eigenvalues = trained(0.0)
    assert BOUND < volume < 1.02 * BOUND
    assert float(eigenvalues[0] / eigenvalues[-1]) > 0.3


@pytest.mark.slow
def test_corinfomax_behavior_the_weight_of_the_invariance_trades_the_two_terms() -> None:
    runs = [trained(alpha) for alpha in (0.0, 250.0, 2000.0)]
    assert runs[0][0] > runs[1][0] > runs[2][0]
    assert runs[0][1] < runs[1][1] < runs[2][1]


@pytest.mark.slow
def test_corinfomax_behavior_memory_weakens_the_barrier() -> None:
    assert trained(250.0, memory=0.5)[1] > trained(250.0)[1]
