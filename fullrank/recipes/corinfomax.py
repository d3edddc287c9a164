"""CorInfoMax: pull the views together and keep the volume of the running covariance of each.

    fullrank train corinfomax --data fashion-mnist

Ozsoy et al., NeurIPS 2022. The weight 500, the forgetting factors 0.01 and eps 1e-8 are the authors' for
ImageNet-100; network and optimizer are ours, chosen for two CPU cores. The embedding has 64 dimensions, so that the
batch of 256 has four samples for each. The authors' projectors have batch norm for ImageNet only: pass
--projector-norm none to leave it out.

Cost: 2.0 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.873, linear 0.895, relative spread
0.82, effective rank 35 of 64 (docs/results/fashion-mnist/corinfomax-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class CorInfoMaxRecipe(Recipe):
    """Log-determinant mutual information."""

    family: ClassVar[Family] = "volume of the covariance"
    projector: tuple[int, ...] = (512, 64)
    """Widths of the projector's layers, the last one is the embedding's."""
    projector_norm: Literal["batch", "none"] = "batch"
    """Norm of the projector's hidden layers; without one they have biases."""
    invariance: float = 500.0
    """Weight of the distance between views."""
    memory: float = 0.01
    """Share of the old running means and covariances that a step keeps: the forgetting factor."""
    eps: float = 1e-8
    """Added to the diagonal of the covariance."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder, projector and the objective with its running covariances."""
        from fullrank.losses import CorInfoMax
        from fullrank.methods import JointEmbedding
        from fullrank.nn import mlp

        objective = CorInfoMax(
            self.projector[-1],
            len(self.view_sizes(encoder.image_size)),
            invariance=self.invariance,
            covariance_memory=self.memory,
            mean_memory=self.memory,
            eps=self.eps,
        )
        norm = self.projector_norm
        projector = mlp(encoder.width, self.projector, norm=norm, bias=norm == "none")
        return JointEmbedding(encoder, projector, objective)
