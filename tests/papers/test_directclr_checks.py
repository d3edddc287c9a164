"""Checks E8 to E14 of the DirectCLR specification: the sub-vector, its relatives, the spectrum and the optimizer."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from fullrank.engine.optimizers import LARS, warmup_cosine
from fullrank.losses import infonce
from fullrank.nn.directclr_heads import LowRank, directclr_head
from fullrank.stats import normalize, spectrum
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import gradient, value

N, WIDTH, D0 = 9, 8, 3
first = directclr_head("first", WIDTH, D0)


def directclr(r: Tensor) -> dict[str, Tensor]:
    """The loss of representations (2, N, WIDTH)."""
    return infonce(first(r.flatten(0, 1)).unflatten(0, r.shape[:2]))


def orthogonal(d: int, seed: int = 1) -> Tensor:
    basis: Tensor = torch.linalg.qr(noise(d, d, seed=seed)).Q
    return basis


def test_directclr_check_e8_only_the_first_features_matter() -> None:
    r = noise(2, N, WIDTH)
    slope = gradient(directclr, r)
    assert float(slope[..., D0:].abs().max()) == 0
    assert float(slope[..., :D0].abs().min()) > 0
    kept = torch.diag((torch.arange(WIDTH) < D0).double())
    assert value(directclr, r @ kept) == value(directclr, r)
    assert value(infonce, r @ kept) == pytest.approx(value(directclr, r), abs=1e-12)


def test_directclr_check_e8_invariances() -> None:
    r = noise(2, N, WIDTH)
    same = pytest.approx(value(directclr, r), abs=1e-12)
    scaled, turned = r.clone(), r.clone()
    scaled[..., :D0] *= torch.rand(2, N, 1, generator=torch.Generator().manual_seed(0)) + 0.1
    turned[..., :D0] = r[..., :D0] @ orthogonal(D0)
    assert value(directclr, scaled) == same
    assert value(directclr, turned) == same
    assert value(directclr, r.flip(1)) == same
    crossed = r[..., [D0, *range(1, D0), 0, *range(D0 + 1, WIDTH)]]
    assert value(directclr, crossed) != pytest.approx(value(directclr, r), abs=1e-3)


def test_directclr_check_e8_all_features_are_the_baseline() -> None:
    r = noise(2, N, WIDTH)
    assert torch.equal(directclr_head("first", WIDTH, WIDTH)(r[0]), directclr_head("none", WIDTH, D0)(r[0]))


def test_directclr_check_e9_a_fixed_low_rank_projector_is_directclr_in_another_basis() -> None:
    torch.manual_seed(0)
    head, r = LowRank(WIDTH, rank=D0).double(), noise(2, N, WIDTH)
    _, values, vh = torch.linalg.svd(head.weight)
    torch.testing.assert_close(values, (torch.arange(WIDTH) < D0).double(), rtol=0, atol=1e-6)  # made in float32
    assert value(infonce, head(r)) == pytest.approx(value(directclr, r @ vh.T), abs=1e-5)
    diagonal = torch.diag((torch.arange(WIDTH) < D0).double())
    for left in (torch.eye(WIDTH, dtype=torch.float64), orthogonal(WIDTH)):  # Q_R = I: DirectCLR, whatever Q_L
        assert value(infonce, r @ (left @ diagonal).T) == pytest.approx(value(directclr, r), abs=1e-12)


def test_directclr_check_e10_a_square_orthogonal_projector_is_no_projector() -> None:
    """Not merely like it: cosines do not see it. The 52.2 and 51.5 of table 2 differ by chance."""
    torch.manual_seed(0)
    head, r = directclr_head("orthogonal", WIDTH, D0).double(), noise(2, N, WIDTH)  # its base is made in float32
    assert float(infonce(head(r))["loss"].detach()) == pytest.approx(value(infonce, r), abs=1e-5)
    through = gradient(lambda z: infonce(head(z)), r)
    torch.testing.assert_close(through, gradient(infonce, r), rtol=0, atol=1e-5)
    infonce(head(r))["loss"].backward()
    assert max(float(p.grad.abs().max()) for p in head.parameters() if p.grad is not None) < 1e-5  # idle weights


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_directclr_check_e11_limits_of_infonce(temperature: float) -> None:
    loss = partial(infonce, temperature=temperature)
    assert value(loss, torch.ones(2, N, WIDTH).double()) == pytest.approx(math.log(N), abs=1e-12)
    told_apart = aligned(torch.eye(WIDTH).double())
    assert value(loss, told_apart) == pytest.approx(math.log1p((WIDTH - 1) * math.exp(-1 / temperature)), abs=1e-12)
    z = noise(2, N, WIDTH)
    assert value(loss, z.flip(0)) == pytest.approx(value(loss, z), abs=1e-12)


@pytest.mark.parametrize(("n", "d"), [(40, 6), (5, 9)])
def test_directclr_check_e13_the_spectrum_of_unit_rows(n: int, d: int) -> None:
    z = normalize(noise(n, d) + 0.3)
    values = spectrum(z)
    assert float(values.sum()) == pytest.approx(1 - float(z.mean(0).square().sum()), abs=1e-12)
    assert int((values > 1e-12).sum()) == min(d, n - 1)
    by_svd = torch.linalg.svdvals(z - z.mean(0)).square() / n
    torch.testing.assert_close(values, by_svd, rtol=0, atol=1e-12)


def test_directclr_check_e13_an_even_sphere_has_equal_values_and_zeros_stay_finite() -> None:
    values = spectrum(normalize(noise(20_000, 8)))
    torch.testing.assert_close(
        values, torch.full((8,), 1 / 8).double(), rtol=0.06, atol=0
    )  # 2 sqrt(8 / 20,000) and all
    flat = spectrum(nn.functional.pad(noise(20, 2), (0, 3)))
    assert float(flat.min()) == pytest.approx(0, abs=1e-12)
    assert bool((flat >= 0).all())


def test_directclr_check_e14_weights_of_one_dimension_get_neither_decay_nor_trust() -> None:
    bias, weight = nn.Parameter(torch.full((3,), 2.0)), nn.Parameter(torch.zeros(2, 2))
    bias.grad, weight.grad = torch.ones(3), torch.ones(2, 2)
    optimizer = LARS([{"params": [weight], "weight_decay": 0.5}, {"params": [bias], "weight_decay": 0.0}], lr=0.1)
    optimizer.step()
    torch.testing.assert_close(bias.detach(), torch.full((3,), 1.9))
    torch.testing.assert_close(weight.detach(), torch.full((2, 2), -0.1))  # |p| = 0: ratio 1


def test_directclr_check_e14_the_schedule_of_4_8() -> None:
    """100 epochs of 313 steps, 10 of warm-up. Step 0 has 1 / warm-up of the peak, where the authors' has 0."""
    total, warmup = 100 * 313, 10 * 313
    assert 4.8 * warmup_cosine(0, total=total, warmup=warmup) == pytest.approx(4.8 / warmup)
    assert 4.8 * warmup_cosine(warmup, total=total, warmup=warmup) == pytest.approx(4.8)
    assert 4.8 * warmup_cosine(total, total=total, warmup=warmup) == pytest.approx(0.0048)
