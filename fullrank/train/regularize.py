"""Terms that a flag adds to the loss of any method: uniformity of what it trains, or of its weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import nn

from fullrank.losses import Terms, combine, uniformity, w2
from fullrank.losses.energy import hyperspherical_energy, layer_energy
from fullrank.methods import Method, Outputs
from fullrank.train.recipe import Network


@dataclass(frozen=True)
class Regularizers:
    """Weights of the added terms; a weight of 0 costs nothing."""

    w2: float = 0.0
    w2_end: float | None = None
    uniformity: float = 0.0
    on: Literal["embedding", "prediction", "representation"] = "embedding"
    energy: float = 0.0
    energy_power: Literal[0, 1, 2] = 2
    energy_angular: bool = False
    energy_half_space: bool = False
    energy_on: tuple[Network, ...] = ("encoder", "projector", "predictor")

    def add(self, terms: Terms, outputs: Outputs, method: Method, *, epoch: int, epochs: int) -> Terms:
        """The terms of a method and the added ones, named with a +, and the loss of both; epoch counts from 1."""
        z = outputs.get(self.on, outputs["embedding"])
        added: dict[str, tuple[float, torch.Tensor]] = {}
        weight = self.weight(epoch, epochs)
        if weight != 0:
            added["+w2"] = (weight, w2(z)["loss"])
        if self.uniformity != 0:
            added["+uniformity"] = (self.uniformity, uniformity(z)["loss"])
        if self.energy != 0:
            added["+energy"] = (self.energy, self._energy_of(method))
        if not added:
            return terms
        extra = combine(added)
        return {**terms, **extra, "loss": terms["loss"] + extra["loss"]}

    def _energy_of(self, method: Method) -> torch.Tensor:
        """Layer-wise energy of the chosen networks that the method has; a teacher is never one of them."""
        networks = [getattr(method, name, None) for name in self.energy_on]
        measure = partial(
            hyperspherical_energy,
            power=self.energy_power,
            angular=self.energy_angular,
            half_space=self.energy_half_space,
        )
        return layer_energy(nn.ModuleList([part for part in networks if isinstance(part, nn.Module)]), energy=measure)

    def weight(self, epoch: int, epochs: int) -> float:
        """Weight of W2 in an epoch from 1 to `epochs`: linear from `w2` down to `w2_end` (Fang et al. 2024).

        >>> [Regularizers(w2=30.0, w2_end=0.0).weight(epoch, 3) for epoch in (1, 2, 3)]
        [20.0, 10.0, 0.0]
        """
        end = self.w2 if self.w2_end is None else self.w2_end
        return self.w2 - min(epoch, epochs) * (self.w2 - end) / epochs
