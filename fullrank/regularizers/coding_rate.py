"""Coding rate of the embedding, as in EMP-SSL (Tong, Chen, Ma & LeCun, 2023), arXiv:2304.03977."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fullrank.regularizers.regularizer import Regularizer, Step

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CodingRate(Regularizer):
    """The embeddings of each view, on the sphere, take up much volume; nothing pulls views together."""

    coding_rate: float = 0.0
    """Weight of the coding rate of the embedding, which is maximized; 0.1 has an effect beside an alignment loss."""

    def term(self, step: Step) -> tuple[float, Tensor] | None:
        """Minus the rate of `fullrank.losses.coding_rate`, without its similarity, which a single view lacks."""
        if self.coding_rate == 0:
            return None
        from fullrank.losses.coding_rate import mean_rate
        from fullrank.stats import normalize

        return self.coding_rate, -mean_rate(normalize(step.outputs["embedding"].double())).float()
