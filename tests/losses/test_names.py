"""A name that is another's, of a paper, a recipe or a loss, is answered with the one that is meant."""

from __future__ import annotations

import pytest

import fullrank.losses
from fullrank import recipes
from fullrank.diagnosis.loss_plateau import LossValue
from fullrank.errors import UserError


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("emp_ssl", "coding_rate"),
        ("lejepa", "sigreg"),
        ("simclr", "nt_xent"),
        ("vicregg", "vicreg"),
        ("infonse", "infonce"),
    ],
)
def test_a_loss_of_another_name_is_named(name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=rf"has no attribute '{name}': did you mean {meant}\?"):
        getattr(fullrank.losses, name)


def test_a_name_that_is_like_no_other_gets_no_hint() -> None:
    for name in ("qqqqqqqq", "__wrapped__", "_private"):
        with pytest.raises(AttributeError, match=rf"has no attribute '{name}'$"):
            getattr(fullrank.losses, name)


@pytest.mark.parametrize(
    ("loss", "meant"),
    [
        ("coding_rate", "emp_ssl"),
        ("sigreg", "lejepa"),
        ("nt_xent", "simclr"),
        ("alignment", "align_uniform or invariance"),
    ],
)
def test_a_loss_where_a_recipe_is_wanted_is_answered_with_its_recipe(loss: str, meant: str) -> None:
    with pytest.raises(UserError, match=rf"There is no recipe {loss}, which is a loss: its recipe is {meant}\."):
        recipes.load(loss)


def test_the_plateau_of_a_loss_of_another_name_is_named() -> None:
    with pytest.raises(UserError, match=r"There is no plateau of a loss 'emp_ssl': did you mean coding_rate\?"):
        LossValue("emp_ssl", 1.0)
    with pytest.raises(UserError, match=r"'vicregg': did you mean vicreg\?"):
        LossValue("vicregg", 1.0)
