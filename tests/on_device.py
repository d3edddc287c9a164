"""The device of `pytest --device`: a GPU is out of sight unless it was asked for, and losses that work there."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import pytest
import torch
from torch import Tensor

NO_GPU = "--device cuda: torch sees no GPU on this machine: leave out --device, and the tests run on the CPU."
MARKER = "on_device"


def choose(config: pytest.Config) -> None:
    """Hide a GPU, or make its numbers those of float32, in the same order each time; UsageError if there is none."""
    if config.getoption("--device") == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        return
    if not torch.cuda.is_available():
        raise pytest.UsageError(NO_GPU)
    torch.backends.cudnn.deterministic = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False


def mark(items: list[pytest.Item]) -> None:
    """Tests that take the device can be chosen by `-m on_device`."""
    for item in items:
        if "device" in getattr(item, "fixturenames", ()):
            item.add_marker(MARKER)


def placed(loss: Callable[..., Any], device: torch.device) -> Callable[..., Any]:
    """A loss that is computed on a device, of embeddings and with terms on the CPU; it says of itself what it said."""

    def there(z: Tensor) -> Tensor:
        return z.to(device) if isinstance(z, Tensor) else z

    if isinstance(loss, type):
        inner: Callable[..., Any] = cast(Any, loss).forward

        def forward(self: Any, *z: Tensor) -> dict[str, Tensor]:
            terms = inner(self.to(device), *map(there, z))
            return {name: value.cpu() for name, value in terms.items()}

        return type(loss.__name__, (loss,), {"forward": forward})

    @wraps(loss)
    def computed(*z: Any, **settings: Any) -> Any:
        terms = loss(*map(there, z), **settings)
        return {name: value.cpu() for name, value in terms.items()}

    return computed
