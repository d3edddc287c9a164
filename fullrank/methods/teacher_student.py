"""Student and teacher: predictions of one view are compared with targets of another, which get no gradient."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.losses import Terms
from fullrank.methods.joint import Method, Outputs
from fullrank.nn import Encoder

PairObjective = Callable[[Tensor, Tensor], Terms]
"""Loss of predictions (V, N, D) and targets (V, N, D)."""


class TeacherStudent(Method):
    """Encoder and projector, perhaps a predictor, and targets from a moving average of encoder and projector.

    With momentum None there is no teacher: targets are the student's own embeddings (SimSiam, NNCLR). Without predictor
    the prediction is the embedding (MoCo). The average covers the parameters; the teacher's batch norms see its own
    batches in train mode, so their running statistics are its own, as in the code of MoCo and Fang et al. (2024).
    Everything is in the checkpoint.

    Args:
        encoder, projector: The student's.
        predictor: From the student's embedding to the prediction, or None.
        objective: A loss of predictions and targets.
        momentum: Of the moving average at the start; None has no teacher.
        final: Of the average at the end; it rises by a cosine over the training (Grill et al. 2020).
        student_views, teacher_views: Views that each of them sees: DINO's teacher sees two, INTL's the first alone.
        teacher_predicts: Whether the teacher has the predictor too, as DINO's.

    Raises:
        UserError: A momentum is not in [0, 1].
    """

    def __init__(
        self,
        encoder: Encoder,
        projector: nn.Module,
        predictor: nn.Module | None,
        objective: PairObjective,
        *,
        momentum: float | None,
        final: float = 1.0,
        student_views: slice = slice(None),
        teacher_views: slice = slice(None),
        teacher_predicts: bool = False,
    ) -> None:
        super().__init__()
        for value in (momentum, final):
            if value is not None and not 0 <= value <= 1:
                raise UserError(f"A teacher cannot have the momentum {value}: pass a number from 0 to 1.")
        self.encoder = encoder
        self.projector = projector
        self.predictor = predictor
        self.objective = objective
        self.momentum = momentum
        self.final = final
        self.student_views, self.teacher_views = student_views, teacher_views
        self.teacher_predicts = teacher_predicts
        self.teacher = None if momentum is None else copy.deepcopy(self._student()).requires_grad_(False)

    def forward(self, views: Sequence[Tensor]) -> Outputs:
        """representation, embedding and prediction of the student's views and target of the teacher's, (V, N, ·)."""
        representation = torch.stack([self.encoder(view) for view in views[self.student_views]])
        embedding = torch.stack([self.projector(h) for h in representation])
        prediction = embedding
        if self.predictor is not None:
            prediction = torch.stack([self.predictor(z) for z in embedding])
        with torch.no_grad():
            teacher = self.teacher
            seen = views[self.teacher_views]
            target = embedding if teacher is None else torch.stack([teacher(view) for view in seen])
        outputs = {"representation": representation, "embedding": embedding, "prediction": prediction}
        return {**outputs, "target": target.detach()}

    def loss(self, outputs: Outputs) -> Terms:
        """The objective of predictions and targets."""
        return self.objective(outputs["prediction"], outputs["target"])

    @torch.no_grad()
    def update(self, progress: float) -> None:
        """Move the teacher towards the student; `progress` in [0, 1] is the share of the training that is done."""
        if self.teacher is None or self.momentum is None:
            return
        momentum = cosine_momentum(progress, self.momentum, self.final)
        for ours, theirs in zip(self.teacher.parameters(), self._student().parameters(), strict=True):
            ours.lerp_(theirs, 1.0 - momentum)

    def _student(self) -> nn.Sequential:
        """What the teacher is the average of."""
        predictor = [self.predictor] if self.teacher_predicts and self.predictor is not None else []
        return nn.Sequential(self.encoder, self.projector, *predictor)


def cosine_momentum(progress: float, start: float, final: float) -> float:
    """The momentum of a teacher after a share of the training, from `start` to `final` by a cosine.

    >>> [round(cosine_momentum(progress, 0.99, 1.0), 4) for progress in (0.0, 0.5, 1.0)]
    [0.99, 0.995, 1.0]
    """
    return final - (final - start) * (math.cos(math.pi * progress) + 1) / 2
