"""MoCo v2: find the other view's key among a queue of older keys.

    fullrank train moco --data fashion-mnist

Chen et al. 2020, in the symmetric form of Fang et al. (2024): both directions, a queue of 4096, temperature 0.2, the
teacher's momentum from 0.99 to 0.999. Network and optimizer are ours, chosen for two CPU cores. `--w2 1` adds W2
uniformity with their weight.

Cost: 5.4 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.871, linear 0.887, relative spread
0.99, effective rank 10 of 256 (docs/results/fashion-mnist/moco-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class MoCoV2(Recipe):
    """Momentum contrast."""

    family: ClassVar[Family] = "contrastive"
    teacher: float = 0.99
    """Momentum of the teacher at the start."""
    teacher_end: float = 0.999
    """Its momentum at the end, reached by a cosine."""
    queue: int = 4096
    """Keys in the queue."""
    temperature: float = 0.2
    """Divides the cosines before the softmax."""

    def build(self, encoder: Encoder) -> Method:
        """Student, teacher and queue."""
        from fullrank.losses import MoCo
        from fullrank.methods import TeacherStudent
        from fullrank.nn import mlp

        projector = mlp(encoder.width, self.projector)
        contrast = MoCo(self.projector[-1], size=self.queue, temperature=self.temperature)
        return TeacherStudent(encoder, projector, None, contrast, momentum=self.teacher, final=self.teacher_end)
