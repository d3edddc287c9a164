"""Layers in their order: freezing keeps the first ones as they are, rates fall towards the stem."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.nn import encoder, freeze, layers, rates


@pytest.mark.parametrize(
    ("name", "count", "first", "last"),
    [
        ("tiny", 3, "0.weight", "7.bias"),
        ("torchvision/resnet18", 9, "conv1.weight", "layer4.1.bn2.bias"),
        ("vit_tiny_patch16_224", 13, "cls_token", "norm.bias"),
    ],
)
def test_layers_are_the_stem_and_the_blocks(name: str, count: int, first: str, last: str) -> None:
    model = encoder(name, image_size=32).model
    found = layers(model)
    assert len(found) == count
    assert (found[0][0], found[-1][-1]) == (first, last)
    assert [path for layer in found for path in layer] == [path for path, _ in model.named_parameters()]


def test_a_network_of_one_layer_has_one() -> None:
    assert layers(nn.Linear(2, 2)) == [["weight", "bias"]]
    assert layers(nn.Flatten()) == [[]]


def test_frozen_layers_keep_weights_and_statistics_and_the_others_learn() -> None:
    made = encoder("tiny", image_size=16).train()
    freeze(made, 2)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    made.train()
    made(torch.randn(8, 3, 16, 16)).square().sum().backward()
    torch.optim.SGD([parameter for parameter in made.parameters() if parameter.requires_grad], lr=0.1).step()
    moved = {name for name, value in made.model.state_dict().items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} == {"6", "7"}
    with pytest.raises(UserError, match="--freeze 4 is not a number of layers of tiny: pass 0 to 3"):
        freeze(made, 4)


@pytest.mark.parametrize("first", [0, 1])
def test_kept_statistics_stay_as_they_are_while_scales_and_shifts_learn(first: int) -> None:
    made = encoder("tiny", image_size=16).train()
    freeze(made, first, norms=True)
    before = {name: value.clone() for name, value in made.model.state_dict().items()}
    made.eval().train()
    made(torch.randn(8, 3, 16, 16)).square().sum().backward()
    torch.optim.SGD([parameter for parameter in made.parameters() if parameter.requires_grad], lr=0.1).step()
    still = {name for name, value in made.model.state_dict().items() if torch.equal(value, before[name])}
    assert still == statistics(before) | {name for layer in layers(made.model)[:first] for name in layer}


def statistics(state: Mapping[str, Tensor]) -> set[str]:
    return {name for name in state if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}


def test_rates_fall_by_layer() -> None:
    made = encoder("torchvision/resnet18", image_size=32)
    found = rates(made, 0.5)
    named = dict(made.model.named_parameters())
    assert found[named["layer4.1.bn2.bias"]] == 0.5
    assert found[named["layer4.0.conv1.weight"]] == 0.25
    assert found[named["conv1.weight"]] == 0.5**9
    assert len(found) == len(named)
