"""DINO: match the teacher's sharpened and centered distribution over prototypes.

    fullrank train dino --data fashion-mnist

Caron et al., ICCV 2021. The teacher sees the first two views, the student all (`--crops`). The teacher's momentum from
0.996 to 1, the temperatures and the center's momentum 0.9 are the authors'; the number of prototypes, network and
optimizer are ours, chosen for two CPU cores.

Cost: 2.9 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.867, linear 0.887, relative spread
0.86, effective rank 6 of 256 (docs/results/fashion-mnist/dino-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class DINORecipe(Recipe):
    """Self-distillation without labels."""

    family: ClassVar[Family] = "self-distillation"
    teacher: float = 0.996
    """Momentum of the teacher at the start; it rises to 1 by a cosine."""
    prototypes: int = 1024
    """Outputs of the head's last layer: cosines of the embedding with so many directions."""
    temperature: float = 0.1
    """Divides the student's outputs before the softmax."""
    teacher_temperature: float = 0.04
    """Divides the teacher's outputs; the lower, the sharper the targets."""
    freeze_last_layer: float = 0.0
    """Epochs for which the student's prototypes, its last layer, stay as they are."""

    def build(self, encoder: Encoder) -> Method:
        """Student and teacher, each with its prototypes, and the center."""
        from fullrank.losses import DINO
        from fullrank.methods import SelfDistillation
        from fullrank.nn import Prototypes, mlp

        return SelfDistillation(
            encoder,
            mlp(encoder.width, self.projector),
            Prototypes(self.projector[-1], self.prototypes),
            DINO(self.prototypes, temperature=self.temperature),
            momentum=self.teacher,
            teacher_temperature=self.teacher_temperature,
            freeze=self.freeze_last_layer,
        )
