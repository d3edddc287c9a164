"""Sliced losses with new random directions at every step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fullrank.losses.terms import Terms


class Resampled(nn.Module):
    """A loss with a `seed` (sigreg, visreg, w_mse) as one that draws anew at every step: its seed is the step.

    The step is a persistent buffer: the same on every process, and a resumed training goes on with the next draw. A
    module in eval mode draws what the next step will draw, and does not count. Blind to: what its loss is blind to.

    >>> from fullrank.losses import sigreg
    >>> objective, z = Resampled(sigreg), torch.eye(4).expand(2, 4, 4)
    >>> bool(objective(z)["loss"] == objective(z)["loss"]), objective.step
    (False, tensor(2))
    """

    step: Tensor

    def __init__(self, objective: Callable[..., Terms]) -> None:
        super().__init__()
        self.objective = objective
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, z: Tensor) -> Terms:
        """The objective's terms of z (V, N, D), and in training mode one step further."""
        terms = self.objective(z, seed=int(self.step))
        if self.training:
            self.step += 1
        return terms
