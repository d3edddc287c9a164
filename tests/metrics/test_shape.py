"""The shape of the spectrum: closed identities, known spectra, the survey's readings."""

from __future__ import annotations

import math

import pytest
import torch

from fullrank.errors import UserError
from fullrank.metrics import (
    alpha_req,
    coherence,
    decay_exponent,
    effective_rank,
    head_weight,
    hill_profile,
    iso_score,
    nesum,
    plugin_participation_ratio,
    self_cluster,
    spectrum_auc,
    w2_uniformity,
)
from fullrank.stats import moments, normalize
from tests.metrics.clouds import gaussian, low_rank, power_law


def test_iso_score_is_rudmans_definition() -> None:
    """Variances in the principal axes, scaled to norm sqrt d, and their defect from the diagonal."""
    z = power_law(0.7, n=200, d=12)
    d = 12
    variances = torch.linalg.eigvalsh(z.T.cov())
    scaled = math.sqrt(d) * variances / variances.norm()
    defect = float((scaled - 1).norm()) / math.sqrt(2 * (d - math.sqrt(d)))
    share = (d - defect**2 * (d - math.sqrt(d))) ** 2 / d**2
    assert iso_score(z) == pytest.approx((d * share - 1) / (d - 1), rel=1e-12)


def test_w2_is_the_hill_number_of_order_one_half() -> None:
    u = normalize(gaussian(300, 20) + 0.5)
    half = hill_profile(u)[0.5]
    expected = math.sqrt(2 * (1 - math.sqrt((1 - float(u.mean(0).square().sum())) * half / 20)))
    assert w2_uniformity(u) == pytest.approx(expected, rel=1e-12)


def test_the_profile_holds_the_family() -> None:
    z = power_law(1.0, n=100, d=16)
    expected = {1.0: effective_rank(z), 2.0: plugin_participation_ratio(z), math.inf: nesum(z)}
    profile = hill_profile(z)
    assert profile[0.0] == 16
    assert {order: profile[order] for order in expected} == pytest.approx(expected)
    assert list(profile.values()) == sorted(profile.values(), reverse=True)
    assert set(hill_profile(torch.ones(5, 3)).values()) == {1.0}


@pytest.mark.parametrize(("n", "d"), [(1500, 128), (96, 512)])
def test_decay_exponent_recovers_the_power_law(n: int, d: int) -> None:
    draws = 10 if n < d else 2
    for alpha in (0.5, 1.0, 1.5, 2.0):
        found = sum(decay_exponent(power_law(alpha, n, d, seed)) for seed in range(draws)) / draws
        assert found == pytest.approx(alpha, abs=0.1)  # .48 to 1.94 at 96 x 512 in the survey


def test_head_weight_tells_a_head_from_a_cut() -> None:
    z = gaussian(1500, 128)
    rogue = z * torch.cat([torch.tensor([30.0]), torch.ones(127)])
    assert abs(head_weight(power_law(1.0, 1500, 128))) < 0.2
    assert head_weight(rogue) > 1
    assert head_weight(low_rank(8, 1500, 128)) < -1
    assert -0.5 < head_weight(z) < -0.2
    assert head_weight(moments(rogue)) == pytest.approx(head_weight(rogue))


def test_spectrum_auc_by_hand() -> None:
    variances = torch.tensor([4.0, 3.0, 2.0, 1.0])
    z = torch.cat([torch.diag(variances.sqrt()), -torch.diag(variances.sqrt())])
    assert spectrum_auc(z) == pytest.approx((0.4 + 0.7 + 0.9 + 1.0) / 4)
    assert spectrum_auc(torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, 2.0]])) == pytest.approx(1)  # one direction of 3


def test_alpha_req_fits_what_is_there() -> None:
    law = alpha_req(power_law(1.0, d=128))
    assert law is not None
    assert law.exponent == pytest.approx(1.0, abs=0.05)
    assert (law.first, law.last) == (11, 100)
    assert law.r_squared > 0.99
    flat = alpha_req(low_rank(16, 1000, 64))
    assert flat is not None
    assert 0 < flat.exponent < 0.6  # collapsed, and reads as whitened
    assert flat.last == 16


def test_alpha_req_is_the_weighted_least_squares() -> None:
    z = power_law(1.3, n=80, d=40)
    values = torch.linalg.eigvalsh(z.T.cov(correction=0)).flip(0)[4:20].log()
    index = torch.arange(5, 21, dtype=torch.float64)
    root = index**-0.5
    design = torch.stack([-index.log(), torch.ones(16, dtype=torch.float64)], 1)
    expected = torch.linalg.lstsq(root[:, None] * design, (root * values)[:, None]).solution[0, 0]
    law = alpha_req(z, first=5, last=20)
    assert law is not None
    assert law.exponent == pytest.approx(float(expected), rel=1e-9)
    assert alpha_req(torch.ones(30, 40)) is None
    assert alpha_req(gaussian(12, 40)) is None
    with pytest.raises(UserError, match="fit"):
        alpha_req(z, first=5, last=5)


def test_self_cluster_is_tsitsulins_formula() -> None:
    z = gaussian(60, 7) + 0.4
    n, d = z.shape
    u = normalize(z)
    expected = float((u @ u.T).square().sum()) - n - n * (n - 1) / d
    assert self_cluster(z) == pytest.approx(expected / (n**2 - n - n * (n - 1) / d))
    assert self_cluster(low_rank(16)) == pytest.approx(0.059, abs=2e-3)  # the survey's


def test_self_cluster_has_no_bias_in_n() -> None:
    few = sum(self_cluster(power_law(1.0, 16, 64, seed)) for seed in range(200)) / 200
    assert few == pytest.approx(self_cluster(power_law(1.0, 8000, 64)), rel=0.06)


def test_coherence_is_the_largest_leverage() -> None:
    z = gaussian(30, 5)
    z[3] *= 50
    hat = z @ torch.linalg.pinv(z)
    assert coherence(z) == pytest.approx(float(hat.diagonal().max()) * 30 / 5)
    assert coherence(low_rank(4, 30, 20)) == pytest.approx(coherence(low_rank(4, 30, 20) @ torch.eye(20, 40).double()))
