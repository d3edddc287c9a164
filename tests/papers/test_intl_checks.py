"""Checks 2, 7, 10 and 13 of the INTL specification, where they need the whole table or the theorem's premises."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.engine.optimizers import warmup_cosine
from fullrank.losses import intl
from fullrank.stats import newton
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import gradient

# Section 2.3: output eigenvalue h_T(1/d) / least trace loss d (1 - h_T(1/d))^2, by T
TABLE = {
    8: {1: ".2583 4.40", 2: ".4854 2.12", 3: ".7673 .43", 4: ".9562 .02", 5: ".9985 .00", 7: "1 0", 9: "1 0"},
    16: {1: ".1348 11.98", 2: ".2767 8.37", 3: ".5130 3.79", 4: ".7933 .68", 5: ".9657 .02", 7: "1 0", 9: "1 0"},
    32: {1: ".0689 27.7", 2: ".1479 23.2", 3: ".3008 15.7", 4: ".5478 6.54", 5: ".8235 1.00", 7: ".9995 0", 9: "1 0"},
    64: {1: ".0348 59.6", 2: ".0765 54.6", 3: ".1634 44.8", 4: ".3287 28.8", 5: ".5864 10.9", 7: ".9832 .02"},
    128: {1: ".0175 123.6", 2: ".0389 118.2", 3: ".0852 107.1", 4: ".1811 85.9", 5: ".3597 52.5", 7: ".8826 1.8"},
    256: {1: ".0088 251.5", 2: ".0196 246.1", 3: ".0435 234.2", 4: ".0952 209.6", 5: ".2007 163.5", 9: ".9935 .01"},
    512: {1: ".0044 507.5", 2: ".0098 502.0", 3: ".0220 489.7", 4: ".0488 463.3", 5: ".1062 409.0"},
}


def even(d: int) -> Tensor:
    """(2d, d) rows of mean zero whose covariance is a multiple of I."""
    eye = torch.eye(d, dtype=torch.float64)
    return torch.cat([eye, -eye])


def h(x: float, iterations: int) -> float:
    e = 1 - x
    for _ in range(iterations):
        e = (3 * e**2 + e**3) / 4
    return 1 - e


def one_unit(word: str) -> float:
    """The last printed digit; some are cut, not rounded."""
    return 1.1 * 10.0 ** -len(word.partition(".")[2])


@pytest.mark.parametrize("d", TABLE)
def test_intl_check_02_the_whole_table_of_equal_spectra(d: int) -> None:
    for iterations, cell in TABLE[d].items():
        output, least = cell.split()
        assert h(1 / d, iterations) == pytest.approx(float(output), abs=one_unit(output) if "." in output else 1e-4)
        assert d * (1 - h(1 / d, iterations)) ** 2 == pytest.approx(float(least), abs=min(one_unit(least), 0.01 * d))


@pytest.mark.parametrize("d", [8, 32, 64])
def test_intl_check_02_the_table_is_what_the_loss_computes(d: int) -> None:
    for iterations in TABLE[d]:
        variance = newton(even(d), iterations, axis="batch").var(0)
        assert variance.tolist() == pytest.approx([h(1 / d, iterations)] * d, abs=1e-9)
        trace = float(intl(aligned(even(d)), axis="batch", iterations=iterations)["trace"]) / 2
        assert trace == pytest.approx(d * (1 - h(1 / d, iterations)) ** 2, abs=1e-9)


@pytest.mark.parametrize(
    ("x", "steps"), [(1 / 2, 3), (1 / 8, 5), (1 / 64, 8), (1 / 256, 9), (1 / 2048, 12), (1e-6, 20)]
)
def test_intl_check_02_steps_to_99_percent(x: float, steps: int) -> None:
    error = [1 - x]
    while len(error) <= steps:
        error.append((3 * error[-1] ** 2 + error[-1] ** 3) / 4)
    assert error[steps] <= 0.01 < error[steps - 1]


def test_intl_check_07_the_trace_loss_makes_eigenvalues_equal() -> None:
    """The theorem in use: descent on the trace loss alone, from a spectrum over two decades."""
    z = (noise(64, 8) * torch.logspace(0, -1, 8, dtype=torch.float64)).requires_grad_()
    least, optimizer = 2 * 8 * (1 - h(1 / 8, 4)) ** 2, torch.optim.Adam([z], lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        trace = intl(aligned(z), axis="batch")["trace"]
        trace.backward()
        optimizer.step()
        assert float(trace.detach()) >= least - 1e-12  # the floor, for both views
    eigenvalues = torch.linalg.eigvalsh(z.detach().T.cov())
    assert float(eigenvalues[0] / eigenvalues[-1]) > 0.8  # 0.01 at the start
    assert float(trace.detach()) < 1.05 * least


def test_intl_check_10_the_gradient_at_rank_one_is_small_but_not_zero() -> None:
    """About 5e-3 is that of the trace of one view; beta = 0.01 makes 1e-4 of it."""
    for seed in range(3):
        rank_one = aligned(noise(128, 1, seed=seed) * noise(1, 16, seed=seed + 10))
        of_trace = gradient(lambda z: {"loss": intl(z, axis="batch")["trace"]}, rank_one)
        assert 2.5e-3 < float(of_trace[0].norm()) < 1e-2
        whole = gradient(partial(intl, axis="batch", beta=0.01), rank_one)
        torch.testing.assert_close(whole, 0.01 * of_trace, rtol=1e-6, atol=1e-9)  # similarity has no say there


def test_intl_check_13_the_rate_at_both_ends() -> None:
    assert warmup_cosine(0, total=1000, warmup=20) == pytest.approx(1 / 20)
    assert warmup_cosine(1000, total=1000, warmup=20) == pytest.approx(1e-3)
