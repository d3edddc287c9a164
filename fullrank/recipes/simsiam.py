"""SimSiam: predict the other view's embedding, without gradient to it.

    fullrank train simsiam --data fashion-mnist

Chen & He, CVPR 2021. Nothing in the loss keeps images apart: stop-gradient and predictor do. The projector ends in a
batch norm, as the authors'; network and optimizer are ours, chosen for two CPU cores.

Cost: 2.3 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.864, linear 0.886, relative spread
0.99, effective rank 4 of 256 (docs/results/fashion-mnist/simsiam-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class SimSiam(Recipe):
    """Simple siamese."""

    family: ClassVar[Family] = "self-distillation"
    predictor: tuple[int, ...] = (64,)
    """Widths of the predictor's hidden layers: a bottleneck."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder, projector and predictor; the target is the embedding itself."""
        from fullrank.losses import simsiam
        from fullrank.methods import TeacherStudent
        from fullrank.nn import mlp

        width = self.projector[-1]
        predictor = mlp(width, (*self.predictor, width))
        projector = mlp(encoder.width, self.projector, last_norm="batch-no-affine")
        return TeacherStudent(encoder, projector, predictor, simsiam, momentum=None)
