"""INTL: whiten approximately by Newton's iteration, and pull the result's variances to one.

    fullrank train intl --data fashion-mnist

Weng et al., "Modulate Your Spectrum in Self-Supervised Learning", ICLR 2024. T = 4 iterations along the channel
axis and the rule for beta are the authors'; network and optimizer are ours, chosen for two CPU cores. On ImageNet the
authors add a teacher and six crops: `--teacher 0.996 --crops 2x224,192,160,128,96`. The teacher then sees the first
view alone and the student all others. With two views of Fashion-MNIST, `--teacher 0.996` takes 1.7 minutes and ends at
kNN 0.874, linear 0.883, effective rank 88 of 256 (docs/results/fashion-mnist/intl-teacher-4.json).

Cost: 2.5 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.874, linear 0.890, relative spread
0.99, effective rank 102 of 256 (docs/results/fashion-mnist/intl-4.json).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class INTL(Recipe):
    """Iterative normalization with trace loss."""

    family: ClassVar[Family] = "whitening"
    axis: Literal["channel", "batch"] = "channel"
    """channel decorrelates samples (N x N), batch decorrelates features (D x D)."""
    iterations: int = 4
    """Newton steps T."""
    beta: float | None = None
    """Weight of the trace loss; by default 0.01 (log2(size of the whitened matrix) - 3)."""
    teacher: float | None = None
    """Momentum of a teacher at the start (0.996 in the authors' code); it rises to 1 by a cosine. By default none."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """INTL of the embeddings."""
        from fullrank.losses import intl

        return partial(intl, axis=self.axis, iterations=self.iterations, beta=self.beta)

    def build(self, encoder: Encoder) -> Method:
        """Encoder and projector, with the teacher if there is one."""
        from fullrank.losses import intl_with_teacher
        from fullrank.methods import TeacherStudent
        from fullrank.nn import mlp

        if self.teacher is None:
            return super().build(encoder)
        return TeacherStudent(
            encoder,
            mlp(encoder.width, self.projector),
            None,
            partial(intl_with_teacher, axis=self.axis, iterations=self.iterations, beta=self.beta),
            momentum=self.teacher,
            student_views=slice(1, None),
            teacher_views=slice(0, 1),
        )
