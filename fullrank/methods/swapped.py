"""SwAV's way from views to a loss: joint embedding, with prototypes that rest at first and a queue that begins late."""

from __future__ import annotations

from torch import nn

from fullrank.losses import SwAV, Terms
from fullrank.methods.joint import JointEmbedding, Outputs
from fullrank.nn import Encoder


class SwappedAssignment(JointEmbedding):
    """Encoder, projector and SwAV.

    Args:
        encoder, projector: Networks whose output enters the loss.
        objective: SwAV's loss, which holds the prototypes.
        freeze: Passes over the data for which the prototypes stay as they are.
        queue_from: Passes after which the objective's queue, if it has one, begins to be filled.
    """

    objective: SwAV

    def __init__(
        self, encoder: Encoder, projector: nn.Module, objective: SwAV, *, freeze: float = 0.0, queue_from: float = 0.0
    ) -> None:
        super().__init__(encoder, projector, objective)
        self.freeze, self.queue_from = freeze, queue_from

    def held(self) -> list[nn.Parameter]:
        """The prototypes, as long as they are frozen."""
        return [self.objective.prototypes] if self.passes < self.freeze else []

    def loss(self, outputs: Outputs) -> Terms:
        """The swapped prediction of the embedding, with the queue from its epoch on."""
        return self.objective.forward(outputs["embedding"], with_queue=self.passes >= self.queue_from)
