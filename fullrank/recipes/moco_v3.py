"""MoCo v3: predict the teacher's key of the other view, among the keys of the batch.

    fullrank train moco_v3 --data fashion-mnist

Chen, Xie & He, ICCV 2021: MoCo without a queue and with BYOL's predictor; the teacher's momentum rises from 0.99 to 1
by a cosine. Temperature, network and optimizer are ours, chosen for two CPU cores.

Cost: 2.7 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.869, linear 0.889, relative spread
0.98, effective rank 9 of 256 (docs/results/fashion-mnist/moco_v3-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class MoCoV3(Recipe):
    """Momentum contrast within the batch."""

    family: ClassVar[Family] = "contrastive"
    teacher: float = 0.99
    """Momentum of the teacher at the start; it rises to 1 by a cosine."""
    predictor: tuple[int, ...] = (512,)
    """Widths of the predictor's hidden layers."""
    temperature: float = 0.2
    """Divides the cosines before the softmax."""

    def build(self, encoder: Encoder) -> Method:
        """Student, predictor and teacher."""
        from fullrank.losses import moco_v3
        from fullrank.methods import TeacherStudent
        from fullrank.nn import mlp

        width = self.projector[-1]
        projector = mlp(encoder.width, self.projector, last_norm="batch-no-affine")
        predictor = mlp(width, (*self.predictor, width), last_norm="batch-no-affine")
        contrast = partial(moco_v3, temperature=self.temperature)
        return TeacherStudent(encoder, projector, predictor, contrast, momentum=self.teacher)
