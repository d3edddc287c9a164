"""CorInfoMax against its definition; the check of two processes is in test_world, with that of every loss."""

from __future__ import annotations

import io
import math
from functools import partial

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import CorInfoMax, log_determinant_mutual_information
from fullrank.stats import normalize
from fullrank.testing.clouds import aligned, noise
from fullrank.testing.loss_values import Loss, gradient, value
from tests.losses.reference import check_reference

EPS = 1e-8
State = tuple[Tensor, Tensor]  # mean (D,), covariance (D, D) of one view
batch_only = partial(CorInfoMax, covariance_memory=0.0, mean_memory=0.0)
plain = partial(CorInfoMax, normalized=False)


def start(d: int) -> State:
    return torch.zeros(d, dtype=torch.float64), torch.eye(d, dtype=torch.float64)


def advance(z: Tensor, state: State, memory: float, mean_memory: float) -> State:
    """The published order for one view, sample by sample: the new mean, then the covariance about it."""
    mean = mean_memory * state[0] + (1 - mean_memory) * z.mean(0)
    batch = sum((torch.outer(row - mean, row - mean) for row in z), torch.zeros_like(state[1])) / len(z)
    return mean, memory * state[1] + (1 - memory) * batch


def log_det(covariance: Tensor, eps: float) -> Tensor:
    value: Tensor = torch.linalg.slogdet(covariance + eps * torch.eye(len(covariance), dtype=torch.float64)).logabsdet
    return value


def authors(z: Tensor, states: list[State], memory: float, mean_memory: float) -> Tensor:
    """One step for two views from old states: 500 MSE - (log det + log det) / D."""
    rows = [view / view.norm(dim=1, keepdim=True) for view in z]
    volumes = [log_det(advance(x, state, memory, mean_memory)[1], EPS) for x, state in zip(rows, states, strict=True)]
    distance: Tensor = (rows[0] - rows[1]).square().mean()
    return 500 * distance - (volumes[0] + volumes[1]) / z.shape[2]


def axes(d: int) -> Tensor:
    """(2D, D) unit rows of mean zero and covariance I / D."""
    eye = torch.eye(d, dtype=torch.float64)
    return torch.cat([eye, -eye])


def volume_term(loss: CorInfoMax) -> Loss:
    return lambda z: {"loss": loss(z)["log_determinant"]}


def information(z: Tensor, eps: float = EPS, *, normalized: bool = False) -> float:
    return -z.shape[2] / 4 * float(log_determinant_mutual_information(z, eps=eps, normalized=normalized)["loss"])


def covariance(x: Tensor) -> Tensor:
    return (x - x.mean(0)).T @ (x - x.mean(0)) / len(x)


@pytest.mark.parametrize(("n", "d"), [(12, 4), (4, 7), (2, 3)])
@pytest.mark.parametrize(("memory", "mean_memory"), [(0.01, 0.01), (0.4, 0.2)])
def test_three_steps_equal_the_published_order(n: int, d: int, memory: float, mean_memory: float) -> None:
    loss, states = CorInfoMax(d, covariance_memory=memory, mean_memory=mean_memory), [start(d), start(d)]
    for step in range(3):
        z = noise(2, n, d, seed=step) + 0.5
        frozen = CorInfoMax(d, covariance_memory=memory, mean_memory=mean_memory).eval()
        frozen.load_state_dict(loss.state_dict())
        check_reference(frozen, partial(authors, states=states, memory=memory, mean_memory=mean_memory), z)
        loss(z)
        states = [advance(normalize(z[q]), states[q], memory, mean_memory) for q in range(2)]
    for q in range(2):
        torch.testing.assert_close(loss.mean[q], states[q][0], rtol=0, atol=1e-14)
        torch.testing.assert_close(loss.covariance[q], states[q][1], rtol=0, atol=1e-14)


def test_corinfomax_check_01_the_recursion_sums_all_batches() -> None:
    memory, loss, expected = 0.3, CorInfoMax(4, covariance_memory=0.3, mean_memory=0.2), torch.zeros(2, 4, 4).double()
    for step in range(5):
        x = normalize(noise(2, 9, 4, seed=step))
        loss(x)
        centered = x - loss.mean[:, None]
        expected += (1 - memory) * memory ** (4 - step) * centered.mT @ centered / 9
    expected += memory**5 * torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(loss.covariance, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize(("n", "d"), [(9, 4), (3, 6)])
def test_corinfomax_check_02_gradient_in_closed_form(n: int, d: int) -> None:
    loss = plain(d, covariance_memory=0.3, mean_memory=0.2)
    loss(noise(2, n, d))
    z = noise(2, n, d, seed=1)
    step = gradient(volume_term(loss), z)
    inverse = torch.linalg.inv(loss.covariance + EPS * torch.eye(d, dtype=torch.float64))
    arm = z - loss.mean[:, None] - 0.8 * (z.mean(1) - loss.mean)[:, None]
    torch.testing.assert_close(step, -2 * 0.7 / (n * d) * arm @ inverse, rtol=1e-9, atol=1e-14)


def test_corinfomax_check_03_times_d_it_is_squared_distance_minus_log_determinants() -> None:
    loss, z = plain(4, invariance=250.0), noise(2, 10, 4)
    answer = 4 * value(loss, z)
    volumes = sum(float(log_det(loss.covariance[q], EPS)) for q in range(2))
    assert answer == pytest.approx(250 / 10 * float((z[0] - z[1]).square().sum()) - volumes, rel=1e-12)


def test_corinfomax_check_04_all_memory_or_none() -> None:
    frozen, z = CorInfoMax(4, covariance_memory=1.0), noise(2, 9, 4)
    assert float(gradient(volume_term(frozen), z).abs().max()) == 0
    assert torch.equal(frozen.covariance, CorInfoMax(4).covariance)
    forgetful = batch_only(4)
    before = value(forgetful, z)
    forgetful(noise(2, 9, 4, seed=1))
    assert value(forgetful, z) == before


def test_corinfomax_check_05_mutual_information_of_equal_and_of_independent_views() -> None:
    d = 16
    a = 1 / d + EPS
    expected = d / 2 * math.log(a / (EPS + EPS / d / a))
    assert information(aligned(axes(d))) == pytest.approx(expected, rel=1e-10)
    assert expected == pytest.approx(119.64, abs=5e-3)
    first, second = axes(3).repeat(6, 1), axes(3).repeat_interleave(6, 0)
    assert information(torch.stack([first, second])) == pytest.approx(0.0, abs=1e-12)


def test_corinfomax_check_05_mutual_information_is_that_of_the_canonical_correlations() -> None:
    z = noise(2, 40, 3) + torch.tensor([[[0.0, 0.0, 0.0]], [[3.0, 1.0, 2.0]]])
    z[1, :, :2] += 0.5 * z[0, :, 1:]
    bases = [torch.linalg.qr(view - view.mean(0)).Q for view in z]
    rho = torch.linalg.svdvals(bases[0].T @ bases[1])
    assert information(z, 1e-13) == pytest.approx(float(-(1 - rho.square()).log().sum() / 2), abs=1e-10)


def ldmi(z: Tensor, eps: float) -> Tensor:
    """The published form of two views, by error covariances of the best linear prediction of each from the other."""
    a, b = (view / view.norm(dim=1, keepdim=True) for view in z)
    eye, r1, r2 = eps * torch.eye(z.shape[2], dtype=torch.float64), covariance(a), covariance(b)
    cross = (a - a.mean(0)).T @ (b - b.mean(0)) / len(a)
    first = r1 - cross @ torch.linalg.inv(r2 + eye) @ cross.T
    second = r2 - cross.T @ torch.linalg.inv(r1 + eye) @ cross
    logs = log_det(first, eps) + log_det(second, eps) - log_det(r1, eps) - log_det(r2, eps)
    return logs / z.shape[2]


@pytest.mark.parametrize(("n", "d"), [(20, 4), (6, 4), (4, 7), (4, 4)])  # N > 2D, between, N < D, N = D
def test_corinfomax_check_05_schur_complements_equal_the_joint_determinant(n: int, d: int) -> None:
    eps = 1e-3  # the published form loses digits as 1 / eps
    loss = partial(log_determinant_mutual_information, eps=eps)
    check_reference(loss, partial(ldmi, eps=eps), noise(2, n, d) + 0.3 * noise(1, n, d, seed=1))


def test_corinfomax_check_06_each_approximation_is_a_lower_bound() -> None:
    eps = 1e-3
    for seed in range(20):
        z = noise(1, 30, 4, seed=seed) + 0.2 * noise(2, 30, 4, seed=seed + 100)
        own, error = float(log_det(covariance(z[0]), eps)) / 2, covariance(z[0] - z[1])
        identity = own - float(log_det(error, 2 * eps)) / 2
        first_order = own - 2 * math.log(2 * eps) - float(error.trace()) / (4 * eps)
        assert information(z, eps) > identity > first_order


@pytest.mark.parametrize(("d", "bound"), [(32, 6.931), (64, 8.318), (128, 9.704), (512, 12.477)])
def test_corinfomax_check_07_the_sphere_bounds_the_log_determinant(d: int, bound: float) -> None:
    best = float(batch_only(d)(aligned(axes(d)))["log_determinant"])
    assert best == pytest.approx(2 * math.log(d / (1 + d * EPS)), abs=1e-12)
    assert best == pytest.approx(bound, abs=1e-3)
    assert float(batch_only(d)(aligned(noise(2 * d, d)))["log_determinant"]) > best + 0.1


def test_corinfomax_check_07_the_memory_of_the_start_loosens_the_bound() -> None:
    d, loss = 8, CorInfoMax(8, mean_memory=0.0)
    for step in range(1, 4):
        trace = 0.01**step * d + 1 - 0.01**step
        assert float(loss(aligned(axes(d)))["log_determinant"]) == pytest.approx(-2 * math.log(trace / d + EPS))


def test_corinfomax_check_08_one_rotation_is_free_two_are_not() -> None:
    z, turn = noise(2, 9, 4), torch.linalg.qr(noise(4, 4, seed=1)).Q
    here, both, one = (CorInfoMax(4)(x) for x in (z, z @ turn, torch.stack([z[0], z[1] @ turn])))
    assert float(both["loss"]) == pytest.approx(float(here["loss"]), rel=1e-12)
    assert float(one["log_determinant"]) == pytest.approx(float(here["log_determinant"]), rel=1e-12)
    assert float(one["invariance"]) != pytest.approx(float(here["invariance"]), rel=1e-3)


def test_corinfomax_check_08_views_swap_with_their_states() -> None:
    loss, swapped = CorInfoMax(4, covariance_memory=0.5), CorInfoMax(4, covariance_memory=0.5)
    first, z = noise(2, 9, 4), noise(2, 9, 4, seed=1)
    loss(first)
    swapped.load_state_dict({name: buffer.flip(0) for name, buffer in loss.state_dict().items()})
    expected = value(loss.eval(), z)
    assert value(swapped.eval(), z.flip(0)) == pytest.approx(expected, rel=1e-12)
    assert value(loss, z.flip(0)) != pytest.approx(expected, rel=1e-6)


def test_corinfomax_check_09_only_unit_rows_bound_the_loss() -> None:
    z = aligned(noise(20, 4))
    unbounded = partial(plain, covariance_memory=0.0, mean_memory=0.0)
    assert value(unbounded(4), 10 * z) == pytest.approx(value(unbounded(4), z) - 4 * math.log(10), abs=1e-6)
    assert value(CorInfoMax(4), 10 * z) == pytest.approx(value(CorInfoMax(4), z), rel=1e-12)


@pytest.mark.parametrize(
    ("d", "n", "expected"),
    [(64, 128, 4.460), (64, 256, 4.294), (64, 512, 4.225), (128, 64, 11.55), (128, 128, 5.91), (128, 512, 4.99)],
)
def test_corinfomax_check_10_finite_samples_on_the_sphere(d: int, n: int, expected: float) -> None:
    """The loss of a healthy batch; the few hundredths are the spread between draws, a tenth where N = D."""
    drawn = float(batch_only(d)(aligned(noise(n, d)))["log_determinant"]) / 2
    assert drawn == pytest.approx(expected, abs=0.1 if n <= d else 0.02)


def test_corinfomax_check_11_float32_embeddings_get_the_float64_determinant() -> None:
    """A float32 determinant is 1e-4 off here, at condition 1e6; what is left is the rounding of the answer."""
    x = (noise(200, 16) @ torch.diag(torch.logspace(0, -3, 16, dtype=torch.float64))).float()
    expected = -2 / 16 * float(log_det(covariance(normalize(x.double())), EPS))
    assert float(batch_only(16)(aligned(x))["log_determinant"]) == pytest.approx(expected, rel=2e-7)


def test_corinfomax_check_13_a_saved_state_continues_exactly() -> None:
    loss, file = CorInfoMax(5, views=3), io.BytesIO()
    for step in range(2):
        loss(noise(3, 8, 5, seed=step).float())
    torch.save(loss.state_dict(), file)
    file.seek(0)
    resumed, z = CorInfoMax(5, views=3), noise(3, 8, 5, seed=9).float()
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert value(CorInfoMax(5, views=3), z) != value(resumed.eval(), z)
    resumed.train()
    for _ in range(2):
        assert torch.equal(gradient(loss, z), gradient(resumed, z))
        assert value(loss, z) == value(resumed, z)
    assert loss.mean.dtype == loss.covariance.dtype == torch.float64


def test_corinfomax_check_14_one_point_is_neutral_and_almost_one_point_is_not() -> None:
    point = aligned(normalize(noise(1, 4)).expand(16, 4))
    loss = plain(4, mean_memory=0.0)
    assert float(gradient(volume_term(loss), point).abs().max()) < 1e-12
    torch.testing.assert_close(loss.covariance, 0.01 * plain(4).covariance, rtol=0, atol=1e-15)
    for spread in (1e-2, 1e-3):
        push = gradient(volume_term(batch_only(4)), point + spread * noise(2, 16, 4, seed=1))
        assert float(push.norm()) > 0.1 / spread


def test_many_views_have_a_state_each_and_cost_the_mean_of_their_pairs() -> None:
    loss, z = CorInfoMax(4, views=3), [noise(3, 9, 4, seed=step) for step in range(2)]
    loss(z[0])
    expected = []
    for pair in ([0, 1], [0, 2], [1, 2]):
        of_two = CorInfoMax(4)
        of_two(z[0][pair])
        expected.append(value(of_two, z[1][pair]))
    assert value(loss, z[1]) == pytest.approx(sum(expected) / 3, rel=1e-12)


def test_the_spectra_are_those_of_the_running_covariances() -> None:
    loss = CorInfoMax(4)
    loss(noise(2, 9, 4))
    for view, covariance in enumerate(loss.covariance, start=1):
        expected = torch.linalg.svdvals(covariance)  # another algorithm: singular values, for a positive matrix
        torch.testing.assert_close(loss.spectra()[f"covariance_of_view_{view}"], expected)
    assert all(values.sum() <= 1 + 0.01 * 4 for values in loss.spectra().values())  # unit rows, and the memory of I


def test_evaluation_leaves_the_state() -> None:
    loss = CorInfoMax(4).eval()
    loss(noise(2, 9, 4))
    assert torch.equal(loss.covariance, CorInfoMax(4).covariance)
    assert torch.equal(loss.mean, CorInfoMax(4).mean)


def test_bad_input_is_explained_and_does_not_spoil_the_state() -> None:
    loss, bad = CorInfoMax(4), noise(2, 9, 4)
    with pytest.raises(UserError, match="2 views of 4 features"):
        loss(noise(2, 9, 5))
    bad[1, 2, 3] = math.nan
    assert loss(bad)["loss"].isnan()
    assert torch.equal(loss.covariance, CorInfoMax(4).covariance)
    assert torch.equal(loss.mean, CorInfoMax(4).mean)


def test_an_eps_below_zero_is_refused_and_one_that_is_too_small_for_the_rank_says_so() -> None:
    with pytest.raises(UserError, match=r"CorInfoMax got eps=-1\.0: pass a number that is not negative"):
        CorInfoMax(4, eps=-1.0)
    with pytest.raises(UserError, match="its rank is too low or their norm too large for eps: raise eps, take more"):
        CorInfoMax(8, eps=0.0, covariance_memory=0.0, mean_memory=0.0)(torch.ones(2, 4, 8))
