"""Every public loss under every law, by the contract that anyone can hold their own loss to."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable

import pytest
import torch

import fullrank.losses
from fullrank.losses import LOSSES, PAIR_LOSSES, STATEFUL_LOSSES
from fullrank.losses.declaration import LAWS, declaration
from fullrank.testing import check_loss, laws_of_losses, laws_of_pair_losses
from tests.losses.declared import VARIANTS
from tests.on_device import placed

PUBLIC: list[Callable[..., object]] = [*LOSSES, *STATEFUL_LOSSES, *PAIR_LOSSES]
OF_PAIRS = {loss.__name__: loss for loss in PAIR_LOSSES}
OF_EMBEDDINGS = {loss.__name__: loss for loss in PUBLIC if loss.__name__ not in OF_PAIRS} | VARIANTS
NO_LOSS_OF_Z = {"terms", "pairs", "module", "declaration", "energy"}  # shared parts, and one of weights


def at(device: torch.device, loss: Callable[..., object]) -> Callable[..., object]:
    """The loss itself on a CPU, else one that works on the device."""
    return loss if device.type == "cpu" else placed(loss, device)


@pytest.mark.parametrize("law", laws_of_losses)
@pytest.mark.parametrize("name", OF_EMBEDDINGS)
def test_every_loss_of_embeddings_holds_the_contract(name: str, law: str, device: torch.device) -> None:
    check_loss(at(device, OF_EMBEDDINGS[name]), law=law, name=name)


@pytest.mark.parametrize("law", laws_of_pair_losses)
@pytest.mark.parametrize("name", OF_PAIRS)
def test_every_loss_of_predictions_and_targets_holds_the_contract(name: str, law: str, device: torch.device) -> None:
    """Their architecture keeps collapse away, as tests/methods shows; simdino itself does, in tests/losses."""
    check_loss(at(device, OF_PAIRS[name]), law=law)


def test_every_loss_file_is_under_contract() -> None:
    files = {module.name for module in pkgutil.iter_modules(fullrank.losses.__path__)} - NO_LOSS_OF_Z
    assert files == {loss.__module__.rpartition(".")[2] for loss in PUBLIC}
    assert {loss.__name__ for loss in PUBLIC} <= set(fullrank.losses.__all__)
    for name in files:
        header = importlib.import_module(f"fullrank.losses.{name}").__doc__ or ""
        assert re.search(r"arXiv:|ICLR 20", header.splitlines()[0])


@pytest.mark.parametrize("loss", PUBLIC)
def test_the_docstring_says_what_it_cannot_see_and_shows_a_value(loss: Callable[..., object]) -> None:
    assert f"\n\nBlind to: {declaration(loss).blind_to}\n\n>>> " in (loss.__doc__ or "")


def test_every_exception_names_a_law_and_a_reason() -> None:
    for loss in (*PUBLIC, *VARIANTS.values()):
        assert set(declaration(loss).breaks) <= set(LAWS), loss
        assert all(declaration(loss).breaks.values()), loss


def test_every_law_is_tried() -> None:
    assert {*laws_of_losses, *laws_of_pair_losses} == set(LAWS)
