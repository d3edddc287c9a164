"""Hyperspherical energy in use: random pairs, layers, number formats, descent and wrong input."""

from __future__ import annotations

from functools import partial
from typing import Any, cast

import pytest
import torch
from torch import nn

from fullrank.errors import UserError
from fullrank.losses import compressive_energy, hyperspherical_energy, layer_energy
from fullrank.stats import hill, spectrum
from fullrank.testing.clouds import noise


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("half_space", [False, True])
def test_random_pairs_estimate_the_mean_of_all(half_space: bool) -> None:
    energy = partial(hyperspherical_energy, half_space=half_space)
    weight = noise(40, 8)
    exact = float(energy(weight))
    many = [float(energy(weight, pairs=2000, generator=seeded(s))) for s in range(30)]
    mean, error = sum(many) / 30, float(torch.tensor(many).std()) / 30**0.5
    assert error > 0
    assert abs(mean - exact) < 4 * error
    assert float(energy(weight[:2], pairs=3)) == pytest.approx(float(energy(weight[:2])))  # one pair: nothing to draw


def test_the_draw_is_an_argument() -> None:
    weight = noise(40, 8)
    first = hyperspherical_energy(weight, pairs=50, generator=seeded())
    assert torch.equal(first, hyperspherical_energy(weight, pairs=50, generator=seeded()))
    assert not torch.equal(first, hyperspherical_energy(weight, pairs=50, generator=seeded(1)))
    state = torch.random.get_rng_state()
    compressive_energy(weight, generator=seeded())
    assert torch.equal(state, torch.random.get_rng_state())


def test_an_unknown_reduction_is_refused() -> None:
    with pytest.raises(UserError, match="layer_energy got reduction='avg': pass sum or mean"):
        layer_energy(nn.Linear(4, 3), reduction="avg")  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"reduction='means': did you mean mean\?"):
        layer_energy(nn.Linear(4, 3), reduction="means")  # type: ignore[arg-type]


def test_layers_are_summed_and_small_ones_left_out() -> None:
    net = nn.Sequential(
        nn.Conv1d(2, 3, 3), nn.Conv3d(1, 4, 2), nn.LayerNorm(7), nn.Linear(5, 6), nn.Linear(6, 1), nn.Embedding(9, 3)
    )
    parts = [layer_energy(net[i]).item() for i in (0, 1, 3)]
    assert layer_energy(net).item() == pytest.approx(sum(parts))
    assert layer_energy(net, reduction="mean").item() == pytest.approx(sum(parts) / 3)
    linear = nn.Linear(5, 6)
    one = hyperspherical_energy(linear.weight, power=0, half_space=True).item()
    assert layer_energy(linear, energy=partial(hyperspherical_energy, power=0, half_space=True)).item() == one
    depthwise = nn.Conv2d(8, 8, 3, groups=8)
    assert layer_energy(depthwise).item() == pytest.approx(hyperspherical_energy(depthwise.weight.reshape(8, 9)).item())


@pytest.mark.slow
@pytest.mark.parametrize("energy", [hyperspherical_energy, partial(compressive_energy, generator=None)])
def test_descent_makes_redundant_neurons_diverse(energy: partial[torch.Tensor]) -> None:
    torch.manual_seed(0)
    layer = nn.Linear(32, 16, bias=False)
    layer.weight.data = (noise(16, 2) @ noise(2, 32, seed=1) + 0.1 * noise(16, 32, seed=2)).float()
    before = float(hill(spectrum(layer.weight.detach(), centered=False), 1.0))
    norms = layer.weight.detach().norm(dim=1)
    optimizer = torch.optim.SGD(layer.parameters(), lr=1.0)
    for _ in range(50):
        optimizer.zero_grad()
        layer_energy(layer, energy=energy).backward()
        optimizer.step()
    after = float(hill(spectrum(layer.weight.detach(), centered=False), 1.0))
    assert after > before + 0.4
    assert bool((layer.weight.detach().norm(dim=1) >= norms * (1 - 1e-6)).all())  # steps along the tangent


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_equal_float32(dtype: torch.dtype) -> None:
    weight = noise(6, 64).to(dtype)
    expected = hyperspherical_energy(weight.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under_autocast = hyperspherical_energy(weight.float())
        compressed = compressive_energy(weight.float(), generator=seeded())
    assert torch.equal(hyperspherical_energy(weight), expected)
    assert torch.equal(under_autocast, expected)
    assert torch.equal(compressed, compressive_energy(weight.float(), generator=seeded()))
    assert hyperspherical_energy(noise(6, 4)).dtype == torch.float64


def test_fewer_than_two_rows_have_no_energy() -> None:
    for weight in (torch.ones(1, 3), torch.ones(0, 3)):
        leaf = weight.requires_grad_()
        value = hyperspherical_energy(leaf, half_space=True)
        value.backward()
        assert float(value.detach()) == 0
        assert leaf.grad is not None


def test_nan_is_not_hidden() -> None:
    weight = noise(4, 3)
    weight[1, 1] = torch.nan
    assert hyperspherical_energy(weight).isnan()
    assert hyperspherical_energy(weight, angular=True, half_space=True).isnan()


def test_wrong_input_is_explained() -> None:
    weight = noise(4, 3)
    for wrong in (torch.zeros(4), torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.long)):
        with pytest.raises(UserError, match="pass floating"):
            hyperspherical_energy(wrong)
        with pytest.raises(UserError, match="pass floating"):
            compressive_energy(wrong)
    with pytest.raises(UserError, match="pass 0, 1 or 2"):
        hyperspherical_energy(weight, power=cast(Any, 3))
    with pytest.raises(UserError, match="pairs=0"):
        hyperspherical_energy(weight, pairs=0)
    with pytest.raises(UserError, match="dims=0"):
        compressive_energy(weight, dims=0)
    with pytest.raises(UserError, match="pass another network"):
        layer_energy(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1)))
