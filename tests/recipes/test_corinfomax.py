"""The recipe of CorInfoMax: one forgetting factor for both running moments, and a projector with or without norm."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from fullrank.losses import CorInfoMax
from fullrank.methods import JointEmbedding
from fullrank.nn import encoder
from fullrank.recipes.corinfomax import CorInfoMaxRecipe


def built(recipe: CorInfoMaxRecipe) -> JointEmbedding:
    method = recipe.build(encoder("tiny", image_size=16, channels=1))
    assert isinstance(method, JointEmbedding)
    return method


def test_the_settings_reach_the_objective_and_its_running_moments() -> None:
    z: Tensor = torch.randn(2, 32, 4, generator=torch.Generator().manual_seed(0))
    method = built(CorInfoMaxRecipe(projector=(8, 4), invariance=30.0, memory=0.3, eps=1e-4))
    expected = CorInfoMax(4, invariance=30.0, covariance_memory=0.3, mean_memory=0.3, eps=1e-4)
    for _ in range(2):
        assert torch.equal(method.loss({"embedding": z})["loss"], expected(z)["loss"])


@pytest.mark.parametrize(("norm", "layers"), [("batch", [False, True]), ("none", [True, True])])
def test_a_projector_without_norm_has_biases_in_its_hidden_layers(
    norm: Literal["batch", "none"], layers: list[bool]
) -> None:
    projector = built(CorInfoMaxRecipe(projector=(8, 4), projector_norm=norm)).projector
    assert [part.bias is not None for part in projector.modules() if isinstance(part, nn.Linear)] == layers
    assert any(isinstance(part, nn.BatchNorm1d) for part in projector.modules()) == (norm == "batch")
