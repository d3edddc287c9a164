"""SwAV's way from views to a loss: joint embedding, with prototypes that rest at first and a queue that begins late."""

from __future__ import annotations

from torch import nn

from fullrank.losses import SwAV, Terms
from fullrank.methods.joint import JointEmbedding, Outputs
from fullrank.nn import Encoder


class SwappedAssignment(JointEmbedding):
    """Encoder, projector and SwAV.

    For the first `freeze` passes over the data the prototypes stay as they are; the objective's queue, if it has one,
    begins to be filled after `queue_from` passes.
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
