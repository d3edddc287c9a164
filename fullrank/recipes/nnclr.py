"""NNCLR: predict the nearest neighbor, in a queue, of the other view's embedding.

    fullrank train nnclr --data fashion-mnist

Dwibedi et al., ICCV 2021. Temperature 0.1 is the authors'; network, optimizer and the queue's size are ours, chosen
for two CPU cores.

Cost: 3.0 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.869, linear 0.890, relative spread
0.99, effective rank 8 of 256 (docs/results/fashion-mnist/nnclr-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class NearestNeighbor(Recipe):
    """Nearest-neighbor contrastive learning."""

    family: ClassVar[Family] = "contrastive"
    predictor: tuple[int, ...] = (512,)
    """Widths of the predictor's hidden layers."""
    queue: int = 4096
    """Embeddings in the queue."""
    temperature: float = 0.1
    """Divides the cosines before the softmax."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder, projector, predictor and queue."""
        from fullrank.losses import NNCLR
        from fullrank.methods import TeacherStudent
        from fullrank.nn import mlp

        width = self.projector[-1]
        predictor = mlp(width, (*self.predictor, width))
        projector = mlp(encoder.width, self.projector, last_norm="batch")
        contrast = NNCLR(width, size=self.queue, temperature=self.temperature)
        return TeacherStudent(encoder, projector, predictor, contrast, momentum=None)
