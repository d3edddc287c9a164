"""DINO's way from views to outputs: student and teacher put embeddings among prototypes, each among its own."""

from __future__ import annotations

from torch import nn

from fullrank.losses import DINO, Terms
from fullrank.methods.joint import Outputs
from fullrank.methods.teacher_student import TeacherStudent
from fullrank.nn import Encoder, Prototypes


class SelfDistillation(TeacherStudent):
    """Student and teacher with prototypes behind the projector; the teacher sees the first two views, the student all.

    Outputs are those of `TeacherStudent`: prediction and target are the cosines (V, N, K) and (2, N, K) with the
    prototypes, embedding is what the projector gives to them.

    Args:
        encoder, projector: The student's, of which the teacher is a moving average.
        prototypes: Behind the projector.
        objective: DINO's loss.
        momentum: Of the average, at the start; it rises to 1.
        teacher_temperature: Of the teacher's softmax.
        freeze: Passes over the data for which the student's prototypes stay as they are.
    """

    objective: DINO

    def __init__(
        self,
        encoder: Encoder,
        projector: nn.Module,
        prototypes: Prototypes,
        objective: DINO,
        *,
        momentum: float,
        teacher_temperature: float = 0.04,
        freeze: float = 0.0,
    ) -> None:
        super().__init__(
            encoder,
            projector,
            prototypes,
            objective,
            momentum=momentum,
            teacher_views=slice(2),
            teacher_predicts=True,
        )
        self.teacher_temperature = teacher_temperature
        self.prototypes, self.freeze = [*prototypes.parameters()], freeze

    def held(self) -> list[nn.Parameter]:
        """The student's prototypes, as long as they are frozen."""
        return self.prototypes if self.passes < self.freeze else []

    def loss(self, outputs: Outputs) -> Terms:
        """The cross-entropy with the teacher's sharpened and centered softmax."""
        prediction, target = outputs["prediction"], outputs["target"]
        return self.objective.forward(prediction, target, teacher_temperature=self.teacher_temperature)
