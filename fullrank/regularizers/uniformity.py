"""Uniformity of an output (Wang & Isola, 2020), arXiv:2005.10242."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fullrank.regularizers.regularizer import Regularizer, Step

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Uniformity(Regularizer):
    """Gaussian potential between all pairs of embeddings on the sphere."""

    uniformity: float = 0.0
    """Weight of Wang-Isola uniformity, added to the loss of any method."""

    def term(self, step: Step) -> tuple[float, Tensor] | None:
        """Uniformity of what is spread."""
        if self.uniformity == 0:
            return None
        from fullrank.losses import uniformity

        return self.uniformity, uniformity(step.spread)["loss"]
