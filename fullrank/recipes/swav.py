"""SwAV: say from one view which prototype the other view was assigned to.

    fullrank train swav --data fashion-mnist

Caron et al., NeurIPS 2020. Assignments are balanced over the batch by Sinkhorn's iteration, so that no prototype takes
all. Temperature 0.1, eps 0.05 and 3 iterations are the authors'; the number of prototypes, network and optimizer are
ours, chosen for two CPU cores.

Cost: 2.1 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.866, linear 0.889, relative spread
0.95, effective rank 8 of 256 (docs/results/fashion-mnist/swav-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fullrank.recipes._recipe import Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class SwAVRecipe(Recipe):
    """Swapped assignments of views."""

    prototypes: int = 300
    """Trainable directions that samples are assigned to."""
    temperature: float = 0.1
    """Divides the cosines with the prototypes before the softmax."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder, projector, and the prototypes in the objective."""
        from fullrank.losses import SwAV
        from fullrank.methods import JointEmbedding
        from fullrank.nn import mlp

        objective = SwAV(self.projector[-1], prototypes=self.prototypes, temperature=self.temperature)
        return JointEmbedding(encoder, mlp(encoder.width, self.projector), objective)
