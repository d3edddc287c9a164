"""Methods that are wrong on purpose, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.losses import Terms, alignment, vicreg
from fullrank.methods import JointEmbedding, Method, Outputs
from fullrank.nn import Encoder, mlp
from fullrank.testing import check_method, laws_of_methods


class Plain(JointEmbedding):
    """VICReg, of which each of the others spoils one thing."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, mlp(encoder.width, (16, 8)), vicreg)


class Unnamed(Plain):
    def forward(self, views: Sequence[Tensor]) -> Outputs:
        return {"z": super().forward(views)["embedding"]}


class OneMean(Plain):
    def forward(self, views: Sequence[Tensor]) -> Outputs:
        outputs = super().forward(views)
        return {**outputs, "embedding": outputs["embedding"].mean(1, keepdim=True)}


class Infinite(Plain):
    def loss(self, outputs: Outputs) -> Terms:
        terms = super().loss(outputs)
        return {**terms, "extra": torch.tensor(float("inf"))}


class Idle(Plain):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder)
        self.predictor = nn.Linear(8, 8)


class Forgetful(Plain):
    """Its count of steps is not a buffer, and so in no checkpoint."""

    weight = 1.0

    def loss(self, outputs: Outputs) -> Terms:
        self.weight *= 0.9
        return {"loss": self.weight * super().loss(outputs)["loss"]}


class FirstCounts(Plain):
    def loss(self, outputs: Outputs) -> Terms:
        return {"loss": super().loss(outputs)["loss"] + outputs["embedding"][:, 0].sum()}


class Collapsing(JointEmbedding):
    def __init__(self, encoder: Encoder) -> None:
        super().__init__(encoder, mlp(encoder.width, (16, 8)), alignment)


Build = Callable[[Encoder], Method]
BROKEN: tuple[tuple[str, Build, str], ...] = (
    ("outputs", Unnamed, "of 2 views it hands on z, and no representation"),
    ("outputs", OneMean, r"of 2 views of 24 images, embedding has the shape \(2, 1, 8\)"),
    ("terms", Infinite, "on 24 noisy images, extra is inf"),
    ("gradients", Idle, r"predictor.weight, \(8, 8\), is to be trained and gets no gradient"),
    ("state", Forgetful, r"resumed after 3 steps, step 4 has the loss \S+, and \S+ in one go"),
    ("order of samples", FirstCounts, r"24 images cost \S+, in another order \S+\."),
    (
        "collapse",
        Collapsing,
        r"after 200 steps .*, the mean cosine of their embeddings is 0\.[89]\d",
    ),
)


@pytest.mark.parametrize(("law", "broken", "sentence"), BROKEN)
def test_a_wrong_method_is_told_the_law_the_input_and_the_numbers(law: str, broken: Build, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as error:
        check_method(broken, law=law, name="mine")
    assert str(error.value).startswith(f'mine breaks the law "{law}" (')


@pytest.mark.slow
def test_every_law_is_broken_by_a_wrong_method_and_held_by_a_right_one() -> None:
    assert {law for law, *_ in BROKEN} == set(laws_of_methods)
    check_method(Plain)


@pytest.mark.slow
def test_a_collapse_may_be_declared() -> None:
    check_method(Collapsing, law="collapse", breaks={"collapse": "the control"})
    with pytest.raises(AssertionError, match=r'Plain is said to break the law "collapse" .* but holds it'):
        check_method(Plain, law="collapse", breaks={"collapse": "the control"})
    with pytest.raises(UserError, match=r"There is no law 'collaps' of Plain: did you mean collapse\?"):
        check_method(Plain, law="collaps")
