"""A loss beside the plain formula that it computes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from fullrank.testing.loss_values import Loss, gradient


def check_reference(loss: Loss, reference: Callable[[Tensor], Tensor], z: Tensor) -> None:
    """Value and gradient equal those of a plain formula."""
    torch.testing.assert_close(loss(z)["loss"], reference(z), rtol=1e-9, atol=1e-10)
    expected = gradient(lambda leaf: {"loss": reference(leaf)}, z)
    torch.testing.assert_close(gradient(loss, z), expected, rtol=1e-7, atol=1e-10)
