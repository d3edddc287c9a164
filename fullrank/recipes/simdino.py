"""SimDINO: match the teacher's embedding, and keep the coding rate of the student's.

    fullrank train simdino --data fashion-mnist

Wu et al., ICML 2025: DINO with a volume in the place of prototypes, center and temperatures. The teacher sees the first
two views, the student all (`--crops`); its momentum from 0.996 to 1 is the authors'. Network and optimizer are ours,
chosen for two CPU cores.

Cost: 2.6 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.874, linear 0.882, relative spread
0.91, effective rank 126 of 256 (docs/results/fashion-mnist/simdino-4.json).
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
class SimDINO(Recipe):
    """Self-distillation with a coding rate."""

    family: ClassVar[Family] = "self-distillation"
    teacher: float = 0.996
    """Momentum of the teacher at the start; it rises to 1 by a cosine."""
    eps: float = 0.5
    """Precision of the coding rate, 0.5 in the authors' code."""

    def build(self, encoder: Encoder) -> Method:
        """Student and teacher."""
        from fullrank.losses import simdino
        from fullrank.methods import TeacherStudent
        from fullrank.nn import mlp

        projector = mlp(encoder.width, self.projector)
        objective = partial(simdino, eps=self.eps)
        return TeacherStudent(encoder, projector, None, objective, momentum=self.teacher, teacher_views=slice(2))
