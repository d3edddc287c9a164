from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn

from fullrank.engine.optimizers import LARS, optimizer, warmup_cosine
from fullrank.errors import UserError


def test_w2_check_15_lars_is_the_published_update() -> None:
    """dp = g + wd p; dp *= eta |p| / |dp|; mu = m mu + dp; p -= lr mu."""
    weight = nn.Parameter(torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    expected, velocity = weight.detach().clone(), torch.zeros(3, 4, dtype=torch.float64)
    lars = LARS([weight], lr=0.2, momentum=0.9, weight_decay=1e-2, trust=0.02)
    for step in range(3):
        gradient = torch.full((3, 4), 0.1 * (step + 1), dtype=torch.float64)
        weight.grad = gradient
        lars.step()
        change = gradient + 1e-2 * expected
        change = change * 0.02 * expected.norm() / change.norm()
        velocity = 0.9 * velocity + change
        expected = expected - 0.2 * velocity
        torch.testing.assert_close(weight.detach(), expected)


def test_w2_check_15_lars_steps_a_bias_as_sgd_does() -> None:
    bias, reference = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(4))
    ours, sgd = LARS([bias], lr=0.1), torch.optim.SGD([reference], lr=0.1, momentum=0.9)
    for _ in range(3):
        bias.grad = reference.grad = torch.tensor([1.0, 2.0, 3.0, 4.0])
        ours.step()
        sgd.step()
    torch.testing.assert_close(bias, reference)


@pytest.mark.parametrize("weight", [torch.zeros(2, 2), torch.ones(2, 2)])
def test_directclr_check_e14_lars_of_zero_weights_or_gradients_is_finite(weight: torch.Tensor) -> None:
    parameter = nn.Parameter(weight.clone())
    parameter.grad = torch.zeros(2, 2)
    LARS([parameter], lr=0.1).step()
    torch.testing.assert_close(parameter.detach(), weight)


def test_lars_state_survives_a_checkpoint() -> None:
    def stepped(parameter: nn.Parameter, lars: LARS) -> None:
        parameter.grad = torch.ones(2, 2)
        lars.step()

    first = nn.Parameter(torch.ones(2, 2))
    ours = LARS([first], lr=0.1)
    stepped(first, ours)
    second = nn.Parameter(first.detach().clone())
    resumed = LARS([second], lr=0.1)
    resumed.load_state_dict(copy.deepcopy(ours.state_dict()))  # on disk nothing is shared
    stepped(first, ours)
    stepped(second, resumed)
    assert torch.equal(first, second)


@pytest.mark.parametrize("trust", [0.001, 0.02])
def test_the_trust_of_lars_is_the_share_of_the_norm_that_a_step_moves(trust: float) -> None:
    module = nn.Linear(3, 4, dtype=torch.float64)
    before = module.weight.detach().clone()
    module(torch.ones(2, 3, dtype=torch.float64)).square().sum().backward()
    optimizer("lars", module, lr=0.5, weight_decay=0.0, lars_trust=trust).step()
    assert float((module.weight.detach() - before).norm() / before.norm()) == pytest.approx(0.5 * trust)


def test_an_optimizer_of_another_name_is_an_error() -> None:
    with pytest.raises(UserError, match=r"There is no optimizer adam: did you mean adamw\?"):
        optimizer("adam", nn.Linear(2, 2), lr=0.1, weight_decay=0.0)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_w2_check_15_biases_and_norms_are_not_decayed(name: str) -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    module[0].weight.requires_grad_(True)
    groups = optimizer(name, module, lr=0.1, weight_decay=0.5).param_groups  # type: ignore[arg-type]
    assert [(group["weight_decay"], len(group["params"])) for group in groups] == [(0.5, 1), (0.0, 3)]


def test_intl_check_13_the_schedule_rises_to_the_peak_and_ends_at_a_thousandth() -> None:
    rates = [warmup_cosine(step, total=100, warmup=10) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[100] == pytest.approx(1e-3)
    assert all(before > after for before, after in itertools.pairwise(rates[10:]))
    assert warmup_cosine(0, total=5, warmup=0) == 1.0
