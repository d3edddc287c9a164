"""The loss of a recipe is tried on noise before there is a folder: it refuses no more than the first step would."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from fullrank import recipes
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.losses import MoCo, SIGReg, Terms, combine
from fullrank.methods import JointEmbedding, TeacherStudent
from fullrank.nn import encoder
from fullrank.recipes import Recipe
from fullrank.regularizers.coding_rate import CodingRate
from fullrank.training.fit import prepare
from fullrank.training.regularize import by_flag, require_loss


def needs_300(z: Tensor) -> Terms:
    """A loss that few samples are not enough for."""
    if z.shape[1] < 300:
        raise UserError(f"needs_300 got samples={z.shape[1]}: pass 300.")
    return combine({"size": (1.0, z.square().mean())})


def method(objective: Any) -> JointEmbedding:
    return JointEmbedding(encoder("tiny", image_size=16, channels=1), nn.Linear(512, 8), objective)


def test_it_leaves_the_method_and_the_random_numbers_as_they_are() -> None:
    backbone = encoder("tiny", image_size=16, channels=1)
    for one in (
        method(SIGReg(slices=8)),
        TeacherStudent(backbone, nn.Linear(512, 8), None, MoCo(8, size=16), momentum=0.9),
    ):
        before = {name: value.clone() for name, value in one.state_dict().items()}
        state = torch.random.get_rng_state()
        require_loss(Recipe(coding_rate=CodingRate(1.0)), one, (16, 16), 8)
        assert one.training
        assert torch.equal(torch.random.get_rng_state(), state)
        assert all(torch.equal(value, before[name]) for name, value in one.state_dict().items())


def test_a_loss_that_needs_many_samples_is_tried_on_the_whole_batch() -> None:
    require_loss(Recipe(), method(needs_300), (16, 16), 400)
    with pytest.raises(UserError, match="needs_300 got samples=299"):
        require_loss(Recipe(), method(needs_300), (16, 16), 299)


def of_its_own_batch(z: Tensor) -> Terms:
    """A loss whose mask is made for a batch of 300, and that takes its own gradient."""
    (slope,) = torch.autograd.grad(z.square().sum(), z, create_graph=True)
    return combine({"mask": (1.0, (torch.ones(300) * z[0, :, 0] + slope[0, :, 0]).mean())})


def of_processes(z: Tensor) -> Terms:
    """A loss that asks for what is not there before a training."""
    return combine({"share": (1.0, z.square().mean() / torch.distributed.get_world_size())})


@pytest.mark.parametrize("objective", [of_its_own_batch, of_processes])
def test_what_else_a_loss_of_ones_own_raises_refuses_no_training(objective: Any) -> None:
    require_loss(Recipe(), method(objective), (16, 16), 300)


@pytest.mark.parametrize("name", recipes.names())
@pytest.mark.parametrize("batch_size", [2, 300])
def test_every_recipe_is_taken_as_it_is(name: str, batch_size: int) -> None:
    recipe = replace(recipes.load(name)(), data="digits", image_size=16, batch_size=batch_size, steps=1)
    prepare(recipe, RunOptions(devices=1), Console(file=io.StringIO()))


@dataclass(frozen=True, kw_only=True)
class Own(Recipe):
    """Two settings of one value."""

    one: float = 2.0
    two: float = 2.0


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("loss got one=2.0: pass 1.", "--one 2.0 cannot work in loss: pass 1."),
        ("loss got size=2.0: pass 1.", "loss got size=2.0: pass 1."),  # which of two it is cannot be known
        ("loss got one=3.0: pass 1.", "loss got one=3.0: pass 1."),
        ("The loss is wrong: pass 1.", "The loss is wrong: pass 1."),
    ],
)
def test_a_flag_is_named_where_it_is_known(said: str, expected: str) -> None:
    with pytest.raises(UserError) as raised, by_flag(Own()):
        raise UserError(said)
    assert str(raised.value) == expected
