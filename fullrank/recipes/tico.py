"""TiCo: pull the views together, and each image out of the directions that the last batches had.

    fullrank train tico --data fashion-mnist

Zhu et al., 2022. Formula and weight are those of lightly. The memory 0.5 is ours, lightly's is 0.9: kNN of training
images is 0.844 against 0.814, and the embedding keeps 27 dimensions against 8. Network and optimizer are ours, chosen
for two CPU cores.

Cost: 2.1 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.873, linear 0.893, relative spread
0.98, effective rank 27 of 256 (docs/results/fashion-mnist/tico-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class TiCoRecipe(Recipe):
    """Transformation invariance and covariance contrast."""

    family: ClassVar[Family] = "decorrelation"
    memory: float = 0.5
    """Share of the old second moment that a step keeps."""
    covariance: float = 8.0
    """Weight of the mean of u^T C u over the embeddings u."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder, projector and the objective with its running second moment."""
        from fullrank.losses import TiCo
        from fullrank.methods import JointEmbedding
        from fullrank.nn import mlp

        objective = TiCo(self.projector[-1], memory=self.memory, covariance=self.covariance)
        return JointEmbedding(encoder, mlp(encoder.width, self.projector), objective)
