from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.losses import (
    DINO,
    LOSSES,
    NNCLR,
    PAIR_LOSSES,
    CorInfoMax,
    MoCo,
    NTXent,
    SwAV,
    Terms,
    TiCo,
    combine,
    embedding_loss,
)
from fullrank.losses.terms import COUNT, Rule, rules
from fullrank.stats import sphere
from fullrank.stats.pairs import log_sums, multiquadric
from fullrank.testing.clouds import noise

FUNCTIONS: tuple[Any, ...] = (*LOSSES, *(loss for loss in PAIR_LOSSES if not isinstance(loss, type)))


@embedding_loss(min_views=1, min_samples=3)
def size(z: Tensor, *, weight: float = 2.0) -> Terms:
    """The mean square."""
    return combine({"size": (weight, z.square().mean())})


def test_terms_are_unweighted_and_loss_is_their_weighted_sum() -> None:
    terms = combine({"a": (2.0, torch.tensor(3.0)), "b": (-0.5, torch.tensor(4.0))})
    assert {name: float(value) for name, value in terms.items()} == {"a": 3.0, "b": 4.0, "loss": 4.0}


def test_every_weighted_term_has_a_gradient() -> None:
    a, b = torch.tensor(3.0, requires_grad=True), torch.tensor(4.0, requires_grad=True)
    combine({"a": (2.0, a), "b": (-0.5, b)})["loss"].backward()
    assert a.grad == 2.0
    assert b.grad == -0.5


def test_the_decorator_keeps_name_docstring_and_arguments() -> None:
    assert size.__name__ == "size"
    assert size.__doc__ == "The mean square."
    assert float(size(torch.ones(1, 3, 2), weight=5.0)["loss"]) == 5.0


@pytest.mark.parametrize(
    ("given", "computed"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_number_format(given: torch.dtype, computed: torch.dtype) -> None:
    assert size(torch.ones(1, 3, 2, dtype=given))["size"].dtype == computed


def test_autocast_is_off_inside_and_back_on_outside() -> None:
    @embedding_loss()
    def product(z: Tensor) -> Terms:
        assert not torch.is_autocast_enabled("cpu")
        return combine({"product": (1.0, (z[0] @ z[1].T).sum())})

    z = torch.ones(2, 3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert product(z)["product"].dtype == torch.float32
        assert (z[0] @ z[1]).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("z", "message"),
    [
        (torch.zeros(3, 2), r"size got z of shape \(3, 2\): pass embeddings as \(views, samples, features\)."),
        (torch.zeros(1, 3, 2, dtype=torch.int64), "size got z of torch.int64: pass floating-point embeddings."),
        (torch.zeros(1, 2, 2), "at least 1 view.s. of at least 3 sample.s."),
        (torch.zeros(0, 3, 2), "at least 1 view.s. of at least 3 sample.s."),
        (torch.zeros(1, 3, 0), "with features"),
    ],
)
def test_bad_input_is_explained_in_one_sentence(z: Tensor, message: str) -> None:
    with pytest.raises(UserError, match=message):
        size(z)


def test_a_loss_takes_its_embeddings_by_name_as_its_signature_says() -> None:
    for loss in LOSSES:
        z = torch.eye(6).expand(2, 6, 6)
        first, *others = inspect.signature(loss).parameters.values()
        assert first.name == "z", loss
        assert {other.kind for other in others} <= {inspect.Parameter.KEYWORD_ONLY}, loss
        assert torch.equal(loss(z=z)["loss"], loss(z)["loss"]), loss


def test_what_is_no_tensor_or_no_argument_is_named() -> None:
    with pytest.raises(UserError, match=r"size got z of type list: pass a torch tensor\."):
        size([[[1.0]]])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"size\(\): got an unexpected keyword argument 'weigth'"):
        size(torch.ones(1, 3, 2), weigth=1.0)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"size\(\): missing a required argument: 'z'"):
        size()  # type: ignore[call-arg]


def test_a_setting_that_cannot_work_is_refused_in_one_sentence() -> None:
    """Every positive number of every loss, so that a new one is not forgotten."""
    free = {"order", "seed"}  # an order may be a series' length or a Hill number, any seed will do
    z = torch.ones(2, 8, 4)
    for loss in LOSSES:
        for name, setting in inspect.signature(loss).parameters.items():
            if setting.annotation in ("float", "int", "float | None", "int | None") and name not in free:
                for wrong in (-1.0, math.nan) if "float" in setting.annotation else (-1, -1.0, math.nan, 2.0):
                    with pytest.raises(UserError, match=f"{loss.__name__} got .*: pass "):
                        loss(z, **{name: wrong})
            if name in ("temperature", "eps") and loss.__name__ != "w_mse":
                with pytest.raises(UserError, match=f"{loss.__name__} got {name}=0: pass a number above 0."):
                    loss(z, **{name: 0})


def settings_of_all() -> list[tuple[Any, str, Rule, Any]]:
    """Every setting of every loss that has a rule, and its default."""
    return [
        (loss, name, rule, inspect.signature(loss).parameters[name].default)
        for loss in FUNCTIONS
        for name, rule in rules(loss).items()
    ]


def costs(loss: Any, inputs: tuple[Tensor, ...], name: str, setting: object) -> Tensor:
    value: Tensor = loss(*inputs, **{name: setting})["loss"]
    return value


@pytest.mark.parametrize("few", [True, False])
def test_a_learned_setting_has_the_gradient_of_differences_or_is_refused(
    few: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not few:  # so that sums over pairs are taken in blocks
        monkeypatch.setattr(log_sums, "_FEW", 0)
        monkeypatch.setattr(multiquadric, "_FEW", 0)
        monkeypatch.setattr(sphere, "_CHUNK", 4)
    for loss, name, rule, default in settings_of_all():
        inputs = (noise(2, 9, 3), noise(2, 9, 3, seed=1))[: 2 if loss in PAIR_LOSSES else 1]

        cost = partial(costs, loss, inputs, name)
        at = max(float(default), 0.01) if isinstance(default, float) else 0.5
        learned = torch.tensor(at, dtype=torch.float64, requires_grad=True)
        if rule.learned:
            (found,) = torch.autograd.grad(cost(learned), learned)
            step = 1e-6 * at
            expected = float(cost(at + step) - cost(at - step)) / (2 * step)
            assert float(found) == pytest.approx(expected, rel=1e-4, abs=1e-7), (loss, name)
        elif rule is not COUNT:
            with pytest.raises(UserError, match=rf"{loss.__name__} got .*{name}.*(with a gradient|pass a whole)"):
                cost(learned)


def test_nothing_but_a_number_is_a_setting_and_none_only_by_default() -> None:
    z = torch.ones(2, 8, 4)
    for loss, name, _, default in settings_of_all():
        inputs = (z, z) if loss in PAIR_LOSSES else (z,)
        wrong = [True, "0.1", [0.1], 1j, torch.tensor(True), torch.full((2,), 0.5)]
        for value in wrong if default is None else [*wrong, None]:
            with pytest.raises(UserError, match=f"{loss.__name__} got .*{name}.*: pass "):
                loss(*inputs, **{name: value})
    assert float(size(torch.ones(1, 3, 2), weight=np.float64(2))["loss"]) == 2
    with pytest.raises(UserError, match=r"NTXent got temperature=None: pass a number above 0\."):
        NTXent(temperature=None)


@pytest.mark.parametrize("weights", [None, torch.ones(1, 3, 2, dtype=torch.bfloat16)])
def test_a_further_tensor_may_be_left_out(weights: Any) -> None:
    absent: Any = None

    @embedding_loss()
    def weighted(z: Tensor, weights: Tensor = absent) -> Terms:
        return combine({"size": (1.0, (z if weights is None else z * weights).square().mean())})

    z = torch.full((2, 3, 2), 2.0)
    assert float(weighted(z)["loss"]) == float(weighted(z, weights)["loss"]) == 4
    assert float(weighted(z, weights=weights)["loss"]) == 4
    with pytest.raises(UserError, match=r"weighted got weights of shape \(3, 2\): pass embeddings as"):
        weighted(z, torch.ones(3, 2))


def test_every_loss_has_its_value_in_inference_mode() -> None:
    for loss in FUNCTIONS:
        z = noise(2, 12, 4)
        inputs = (z, z.flip(1)) if loss in PAIR_LOSSES else (z,)
        expected = loss(*inputs)["loss"]
        with torch.inference_mode():
            assert torch.equal(loss(*inputs)["loss"], expected), loss
            assert torch.equal(loss(*(each.clone() for each in inputs))["loss"], expected), loss


def test_a_last_batch_of_one_sample_is_a_value_or_one_sentence_with_the_remedy() -> None:
    said = []
    for loss in LOSSES:
        try:
            assert math.isfinite(float(loss(torch.randn(2, 1, 8))["loss"]))
        except UserError as error:
            said.append(str(error))
    remedy = "pass 2 or more, and drop_last=True to the DataLoader if it is the last batch."
    assert [sentence for sentence in said if not sentence.endswith(remedy)] == []
    assert len(said) > len(LOSSES) / 2


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("made", [CorInfoMax, TiCo, partial(SwAV, queue=16), DINO, MoCo, NNCLR])
def test_one_bad_step_does_not_spoil_the_state(made: Callable[[int], nn.Module], bad: float) -> None:
    loss, z = made(4), noise(2, 8, 4).float()
    z[0, 2, 3] = bad
    before = {name: value.clone() for name, value in loss.state_dict().items()}
    loss(*([z, z] if made in (DINO, MoCo, NNCLR) else [z]))
    for name, value in loss.state_dict().items():
        assert torch.equal(value, before[name]), name
