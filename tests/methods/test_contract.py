"""Every method holds the contract that anyone can hold their own method to."""

from __future__ import annotations

from functools import partial

import pytest
from torch import nn

from fullrank.losses import VICReg
from fullrank.methods import JointEmbedding, Method
from fullrank.nn import Encoder, mlp
from fullrank.testing import check_method, laws_of_methods
from tests.a_few import quick_where
from tests.methods.test_world import METHODS


def built(name: str, encoder: Encoder) -> Method:
    """One of the methods with a projector and a predictor, where it takes one."""
    return METHODS[name](encoder, mlp(encoder.width, (32, 6), last_norm="none"), nn.Linear(6, 6))


@pytest.mark.parametrize("law", quick_where(lambda _, law: law != "collapse", laws_of_methods))
@pytest.mark.parametrize("name", METHODS)
def test_every_method_holds_the_contract(name: str, law: str) -> None:
    check_method(partial(built, name), law=law, name=name)


@pytest.mark.parametrize("law", laws_of_methods)
def test_a_joint_embedding_holds_the_contract(law: str) -> None:
    check_method(lambda e: JointEmbedding(e, mlp(e.width, (32, 8)), VICReg()), law=law, name="vicreg")
