"""W2 uniformity of an output (Fang, Li, Sun & Wang, 2024), arXiv:2403.00642."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING

from fullrank.regularizers.regularizer import Regularizer, Step

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class W2(Regularizer):
    """Distance of the embeddings to the uniform sphere, both as Gaussians."""

    w2: float = 0.0
    """Weight of W2 uniformity, added to the loss of any method."""
    _: KW_ONLY
    w2_end: float | None = None
    """Weight of W2 uniformity in the last epoch, reached linearly; by default that of --w2."""

    def term(self, step: Step) -> tuple[float, Tensor] | None:
        """W2 of what is spread."""
        weight = self.weight(step.epoch, step.epochs)
        if weight == 0:
            return None
        from fullrank.losses import w2

        return weight, w2(step.spread)["loss"]

    def weight(self, epoch: int, epochs: int) -> float:
        """The weight in an epoch from 1 to `epochs`: linear from `w2` down to `w2_end`.

        >>> [W2(30.0, w2_end=0.0).weight(epoch, 3) for epoch in (1, 2, 3)]
        [20.0, 10.0, 0.0]
        """
        end = self.w2 if self.w2_end is None else self.w2_end
        return self.w2 - epoch * (self.w2 - end) / epochs
