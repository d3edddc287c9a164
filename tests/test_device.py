"""`pytest --device`, which decides where the tests that take a device work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from fullrank.losses import TiCo, w2
from fullrank.testing import check_loss
from tests.on_device import choose, placed


@pytest.mark.skipif(torch.cuda.is_available(), reason="This machine has a GPU.")
def test_without_a_gpu_it_says_so_in_one_sentence(monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    monkeypatch.setattr(request.config.option, "device", "cuda")
    with pytest.raises(pytest.UsageError, match=r"^--device cuda: torch sees no GPU on this machine: leave out"):
        choose(request.config)


def test_a_gpu_is_out_of_sight_unless_it_was_asked_for(device: torch.device) -> None:
    assert torch.cuda.is_available() == (device.type == "cuda")


@pytest.mark.parametrize("loss", [w2, TiCo])
def test_a_loss_that_works_elsewhere_says_of_itself_what_it_said_and_holds_the_contract(
    loss: Callable[..., Any], device: torch.device
) -> None:
    seen: list[torch.device] = []
    there = placed(loss, device)
    check_loss(there, law="point")
    z = torch.randn(2, 8, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    z.register_hook(lambda gradient: seen.append(gradient.device))
    made = there(4) if isinstance(there, type) else there
    value: Tensor = made(z)["loss"]
    value.backward()
    assert [value.device.type, *(one.type for one in seen)] == ["cpu", "cpu"]
