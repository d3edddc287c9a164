from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses import Terms, combine, embedding_loss


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
