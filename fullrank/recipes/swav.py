"""SwAV: say from one view which prototype the other view was assigned to.

    fullrank train swav --data fashion-mnist

Caron et al., NeurIPS 2020. Assignments are balanced over the batch by Sinkhorn's iteration, so that no prototype takes
all. Temperature 0.1, eps 0.05 and 3 iterations are the authors'; the number of prototypes, network and optimizer are
ours, chosen for two CPU cores. The authors keep the prototypes still at first (`--freeze-prototypes 1`), and have a
queue where a batch has fewer images than there are prototypes (`--queue 3840 --queue-from 15`).

Cost: 2.1 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.866, linear 0.889, relative spread
0.95, effective rank 8 of 256 (docs/results/fashion-mnist/swav-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.engine.options import GIVEN, ActsWith
from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class SwAVRecipe(Recipe):
    """Swapped assignments of views."""

    family: ClassVar[Family] = "clustering"
    acts_with: ClassVar[ActsWith] = {**Recipe.acts_with, "queue_from": {"queue": GIVEN}}
    prototypes: int = 300
    """Trainable directions that samples are assigned to."""
    temperature: float = 0.1
    """Divides the cosines with the prototypes before the softmax."""
    freeze_prototypes: float = 0.0
    """Epochs for which the prototypes stay as they are."""
    queue: int = 0
    """Older embeddings, of each large view, over which assignments are balanced too."""
    queue_from: float = 0.0
    """Epochs before the queue begins to be filled; it is used once it is full."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder, projector, and the prototypes in the objective."""
        from fullrank.losses import SwAV
        from fullrank.methods import SwappedAssignment
        from fullrank.nn import mlp

        width, temperature = self.projector[-1], self.temperature
        objective = SwAV(width, prototypes=self.prototypes, temperature=temperature, queue=self.queue)
        projector = mlp(encoder.width, self.projector)
        freeze, queue_from = self.freeze_prototypes, self.queue_from
        return SwappedAssignment(encoder, projector, objective, freeze=freeze, queue_from=queue_from)
