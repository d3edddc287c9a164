"""Hyperspherical energy: the numeric checks of the HSR-BYOL specification by their numbers, and edges."""

from __future__ import annotations

import math
from itertools import combinations, permutations, product
from typing import Literal

import pytest
import torch
from scipy.special import beta, hyp0f1
from torch import Tensor, nn

from fullrank.losses import byol, compressive_energy, hyperspherical_energy, layer_energy, uniformity
from fullrank.stats import normalize
from fullrank.testing.clouds import noise

Power = Literal[0, 1, 2]
POWERS: tuple[Power, ...] = (0, 1, 2)
every_power = pytest.mark.parametrize("power", POWERS)
every_variant = pytest.mark.parametrize(
    ("power", "angular", "half_space"), list(product(POWERS, (False, True), (False, True)))
)


def energy(weight: Tensor, power: Power = 2, *, angular: bool = False, half_space: bool = False) -> float:
    return float(hyperspherical_energy(weight, power=power, angular=angular, half_space=half_space))


def naive(weight: Tensor, power: Power, angular: bool, half_space: bool) -> Tensor:
    """The definition, pair by pair."""
    rows = weight / weight.norm(dim=1, keepdim=True)
    if half_space:
        rows = torch.cat([rows, -rows])
    values = []
    for a, b in combinations(rows, 2):
        distance = torch.acos((a @ b).clamp(-1, 1)) if angular else (a - b).norm()
        values.append(-distance.log() if power == 0 else distance**-power)
    return torch.stack(values).mean()


def gradient(weight: Tensor, power: Power, *, angular: bool = False, half_space: bool = False) -> Tensor:
    leaf = weight.detach().clone().requires_grad_()
    value = hyperspherical_energy(leaf, power=power, angular=angular, half_space=half_space)
    (answer,) = torch.autograd.grad(value, leaf)
    return answer


def simplex(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64) - 1 / n


@every_variant
@pytest.mark.parametrize(("n", "d"), [(7, 4), (4, 9), (2, 3)])
def test_equals_the_definition_pair_by_pair(n: int, d: int, power: Power, angular: bool, half_space: bool) -> None:
    weight = noise(n, d, seed=n).requires_grad_()
    expected = naive(weight, power, angular, half_space)
    value = hyperspherical_energy(weight, power=power, angular=angular, half_space=half_space)
    antipode = 1e-7 if half_space else 1e-12  # an angle of pi is read as pi - 2e-8
    torch.testing.assert_close(value, expected, rtol=antipode, atol=antipode)
    if not (half_space and angular):  # there autograd of the plain formula is NaN, at the opposite rows
        (plain,) = torch.autograd.grad(expected, weight)
        ours = gradient(weight, power, angular=angular, half_space=half_space)
        torch.testing.assert_close(ours, plain, rtol=1e-9, atol=1e-12)


@every_variant
def test_the_gradient_is_that_of_the_value(power: Power, angular: bool, half_space: bool) -> None:
    def value(weight: Tensor) -> Tensor:
        return hyperspherical_energy(weight, power=power, angular=angular, half_space=half_space)

    assert torch.autograd.gradcheck(value, (noise(5, 4).requires_grad_(),))


def test_hsr_check_01_orthonormal_rows() -> None:
    rows = torch.linalg.qr(noise(9, 6)).Q.T
    assert [energy(rows, power) for power in POWERS] == pytest.approx([-0.34657, 0.70711, 0.5], abs=1e-5)
    assert energy(rows, 1, angular=True) == pytest.approx(2 / math.pi)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_hsr_check_02_the_simplex_is_the_minimum(n: int) -> None:
    expected = [-0.5 * math.log(2 * n / (n - 1)), math.sqrt((n - 1) / (2 * n)), (n - 1) / (2 * n)]
    for power, value in zip(POWERS, expected, strict=True):
        assert energy(simplex(n), power) == pytest.approx(value, abs=1e-12)
        assert energy(simplex(n) + 0.1 * noise(n, n), power) > value
        assert float(gradient(simplex(n), power).norm()) < 1e-12


def test_hsr_check_03_an_antipodal_pair() -> None:
    pair = torch.stack([noise(5), -3 * noise(5)])
    assert energy(pair, 1) == pytest.approx(0.5)
    assert energy(pair, 2) == pytest.approx(0.25)
    assert energy(pair, 1, angular=True) == pytest.approx(1 / math.pi, rel=1e-7)
    assert energy(pair.float(), 1, angular=True) == pytest.approx(1 / math.pi, rel=2e-4)  # -1 + 1.2e-7 is the end


@pytest.mark.parametrize("n", [2, 6])
def test_hsr_check_04_half_space_of_orthonormal_rows(n: int) -> None:
    value = energy(torch.eye(n, 8), 2, half_space=True)
    assert value == pytest.approx((1 / 4 + (n - 1)) / (2 * n - 1))
    if n == 6:
        assert value == pytest.approx(0.47727, abs=1e-5)


@pytest.mark.parametrize(("d", "first", "second"), [(8, 0.75255, 0.6), (64, 0.71140, 0.50820), (576, 0.70757, 0.50087)])
def test_hsr_check_05_random_directions(d: int, first: float, second: float) -> None:
    a = (d - 1) / 2
    assert (d - 2) / (2 * (d - 3)) == pytest.approx(second, abs=1e-5)
    assert 0.5 * beta(a - 0.5, a) / beta(a, a) == pytest.approx(first, abs=1e-5)
    rows = noise(1000, d)
    assert energy(rows, 2) == pytest.approx(second, rel=5e-3)  # half a million pairs
    assert energy(rows, 1) == pytest.approx(first, rel=2e-3)


@every_variant
def test_hsr_check_06_invariances(power: Power, angular: bool, half_space: bool) -> None:
    def value(weight: Tensor) -> float:
        return energy(weight, power, angular=angular, half_space=half_space)

    weight = noise(6, 4)
    same = pytest.approx(value(weight), abs=1e-12)
    assert value(weight * torch.linspace(0.1, 1e6, 6)[:, None]) == same
    assert value(weight.flip(0)) == same
    assert value(weight @ torch.linalg.qr(noise(4, 4, seed=1)).Q) == same
    flipped = weight * torch.tensor([1, -1, 1, 1, -1, 1])[:, None]
    assert (value(flipped) == same) is half_space
    slope = gradient(weight, power, angular=angular, half_space=half_space)
    assert float((weight * slope).sum(1).abs().max()) < 1e-14
    assert float(slope.norm()) > 1e-2


@every_variant
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_hsr_check_07_duplicate_rows(power: Power, angular: bool, half_space: bool, dtype: torch.dtype) -> None:
    x = noise(5, 4096).float()
    awkward = [
        torch.cat([x, x, 3 * x]),  # duplicates
        torch.cat([x, x * (1 + 1e-6)]),
        torch.cat([x, x + 1e-6 * noise(5, 4096, seed=1)]),
        torch.cat([x, -x]),  # opposites
        torch.cat([x, torch.zeros(2, 4096)]),
        torch.ones(4, 1),
        1e-30 * x,
        1e30 * x,
    ]
    for weight in awkward:
        value = energy(weight.to(dtype), power, angular=angular, half_space=half_space)
        slope = gradient(weight.to(dtype), power, angular=angular, half_space=half_space)
        assert math.isfinite(value)
        assert bool(slope.isfinite().all())


@pytest.mark.parametrize("angular", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_duplicates_cost_much_and_are_not_kicked(angular: bool, dtype: torch.dtype) -> None:
    """Their direction apart is rounding; the official code's gradient there is NaN or 1e5 and more."""
    pair = noise(1, 4608).to(dtype) * torch.tensor([[1.0], [7.0]])
    assert energy(pair, 2, angular=angular) > 2e5
    assert float(gradient(pair, 2, angular=angular).norm()) == 0
    near = torch.tensor([[1.0, 0.0], [1.0, 0.01]], dtype=dtype)
    slope = gradient(near, 2, angular=angular)
    assert float(slope[0, 1]) > 1e5  # descent pushes the first row down, away from the second
    assert float(slope[1, 1]) < -1e5


def test_hsr_check_08_a_kernel_is_its_flattened_rows() -> None:
    convolution = nn.Conv2d(3, 5, (2, 4)).double()
    flat = nn.Linear(24, 5).double()
    flat.weight.data = convolution.weight.detach().reshape(5, 24)
    assert torch.equal(layer_energy(convolution), layer_energy(flat))
    assert layer_energy(flat).item() == energy(flat.weight.detach())


@pytest.mark.parametrize("d", [2, 8, 64])
def test_hsr_check_09_uniformity(d: int) -> None:
    assert float(uniformity(torch.ones(2, 6, d))["loss"]) == 0
    opposite = torch.stack([torch.ones(d), -torch.ones(d)]).expand(2, 2, d)
    assert float(uniformity(opposite)["loss"]) == pytest.approx(-8, abs=1e-5)
    cloud = noise(1, 2000, d)
    value = float(uniformity(cloud)["loss"])
    assert value == pytest.approx(-4 + math.log(hyp0f1(d / 2, 4)), abs=1e-2)
    few = normalize(cloud[0, :50])
    ordered = [math.exp(-2 * float((a - b).square().sum())) for a, b in permutations(few, 2)]
    assert float(uniformity(cloud[:, :50])["loss"]) == pytest.approx(math.log(sum(ordered) / len(ordered)))


def test_hsr_check_10_byol() -> None:
    prediction, target = noise(1, 6, 4).expand(2, 6, 4), (2 * noise(1, 6, 4)).expand(2, 6, 4)
    assert float(byol(prediction, target)["loss"]) == pytest.approx(0, abs=1e-12)
    assert float(byol(prediction, -target)["loss"]) == pytest.approx(8)
    assert float(byol(prediction[:, :3], target[:, 3:])["loss"]) > 0.1
    leaves = prediction.clone().requires_grad_(), target.flip(1).clone().requires_grad_()
    byol(*leaves)["loss"].backward()
    assert leaves[0].grad is not None
    assert leaves[1].grad is None


def test_hsr_check_11_only_weights_of_the_network_get_a_gradient() -> None:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6, 4))
    teacher = nn.Linear(6, 4)
    (0.5 * layer_energy(net)).backward()
    moved = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    assert moved == {"0.weight", "4.weight"}
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_hsr_check_12_compressive_energy() -> None:
    weight = noise(12, 30)
    rotation = torch.linalg.qr(noise(30, 30, seed=1)).Q
    assert energy(weight @ rotation) == pytest.approx(energy(weight), abs=1e-12)  # no dimension lost: the energy
    drawn, again = (torch.Generator().manual_seed(3) for _ in range(2))
    value = compressive_energy(weight, dims=5, projections=4, generator=drawn)
    shadows = [weight @ torch.randn(30, 5, generator=again, dtype=torch.float64) for _ in range(4)]
    assert float(value) == pytest.approx(sum(energy(shadow, half_space=True) for shadow in shadows) / 4, rel=1e-12)
    cosine = normalize(weight) @ normalize(weight).T
    error = []
    for dims in (20, 2000):  # Johnson-Lindenstrauss: ten times better with a hundred times more
        shadow = normalize(weight @ torch.randn(30, dims, generator=again, dtype=torch.float64))
        error.append(float((shadow @ shadow.T - cosine).square().mean().sqrt()))
    assert error[0] / error[1] == pytest.approx(10, rel=0.35)
