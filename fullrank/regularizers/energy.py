"""Hyperspherical energy of the weights, as in HSR-BYOL (Durrant & Leontidis, 2022), arXiv:2105.00925."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from fullrank.regularizers.regularizer import Regularizer, Step

if TYPE_CHECKING:
    from torch import Tensor

Network = Literal["encoder", "projector", "predictor"]


@dataclass(frozen=True)
class Energy(Regularizer):
    """Layer by layer, the rows of the weights repel each other; a teacher's are left alone."""

    energy: float = 0.0
    """Weight of the hyperspherical energy of the trained networks, summed over layers; 1 to 10 has an effect."""
    _: KW_ONLY
    energy_power: Literal[0, 1, 2] = 2
    """Power of the inverse distance; 0 is its logarithm."""
    energy_angular: bool = False
    """Distance by angle instead of chord."""
    energy_half_space: bool = False
    """Opposite rows count as redundant too."""
    energy_on: tuple[Network, ...] = ("encoder", "projector", "predictor")
    """Networks whose layers count, where the method has them."""

    def term(self, step: Step) -> tuple[float, Tensor] | None:
        """Energy of the chosen networks that the method has."""
        if self.energy == 0:
            return None
        from torch import nn

        from fullrank.losses import hyperspherical_energy, layer_energy

        networks = [getattr(step.method, name, None) for name in self.energy_on]
        measure = partial(
            hyperspherical_energy,
            power=self.energy_power,
            angular=self.energy_angular,
            half_space=self.energy_half_space,
        )
        chosen = nn.ModuleList([part for part in networks if isinstance(part, nn.Module)])
        return self.energy, layer_energy(chosen, energy=measure)
