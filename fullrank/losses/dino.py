"""DINO (Caron et al., 2021), arXiv:2104.14294. V views, N samples, K outputs."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax

from fullrank.losses.declaration import Point, declare
from fullrank.losses.pairs import cross_view_product
from fullrank.losses.terms import POSITIVE, SHARE, Terms, check_features, combine, embedding_loss, finite_or


@declare(
    formula="cross-entropy of the student's softmax with the teacher's, centered and sharpened",
    cost="ND",
    breaks={"scale": "it is given logits: a head whose last layer is normalized bounds them"},
    point=Point(lambda prototypes: math.log(prototypes), "ln {prototypes}", at_zero=True),
    blind_to=(
        "what the logits do not show of the embeddings: their rank and their scale. Two collapses balance "
        "each other: the center forbids that one output wins for all, the teacher's low temperature that "
        "all are equal. The loss sits at ln K in the latter, at 0 in the former if the center lags "
        "behind."
    ),
)
class DINO(nn.Module):
    """Cross-entropy between the student's softmax and the teacher's centered and sharpened softmax, across views.

    The loss is the mean over samples and ordered pairs of different views of -softmax((t - center) / T_t) log softmax(s
    / T_s), for the logits s (V, N, K) of the student and t (V, N, K) of the teacher. The teacher's logits may be of the
    first views only, and get no gradient. Afterwards, in training mode,

        center <- momentum * center + (1 - momentum) * mean of t over views and samples

    The center starts at zero and is in `state_dict`. The authors take T_s = 0.1, T_t = 0.04 (rising to 0.07 over the
    first epochs: pass it at each call) and the momentum 0.9. The loss has no prototypes of its own: the last layer of
    the student's head makes the logits, and the teacher's moving average covers it.

    Args:
        outputs: Number of logits K.
        temperature: T_s of the student, above 0.
        momentum: Share of the old center that is kept at each step, from 0 to 1.

    >>> dino = DINO(outputs=4)
    >>> dino(torch.ones(2, 8, 4), torch.ones(2, 8, 4))["loss"], dino.center  # all outputs equal: ln 4
    (tensor(1.3863), tensor([0.1000, 0.1000, 0.1000, 0.1000]))
    """

    center: Tensor

    def __init__(self, outputs: int, *, temperature: float = 0.1, momentum: float = 0.9) -> None:
        POSITIVE.check("DINO", "temperature", temperature)
        SHARE.check("DINO", "momentum", momentum)
        super().__init__()
        self.temperature, self.momentum = temperature, momentum
        self.register_buffer("center", torch.zeros(outputs))

    def forward(self, student: Tensor, teacher: Tensor, *, teacher_temperature: float = 0.04) -> Terms:
        """The terms of logits (V, N, K); in training mode, this also moves the center."""
        terms = dino(student, teacher, self, teacher_temperature)
        if self.training:
            mean = teacher.detach().flatten(0, -2).to(self.center.dtype).mean(0)
            center = torch.lerp(mean, self.center, self.momentum)
            self.center = finite_or(self.center, center)  # a new tensor: the old one is in the graph
        return terms


@embedding_loss(min_samples=1, settings={"teacher_temperature": POSITIVE})
def dino(student: Tensor, teacher: Tensor, state: DINO, teacher_temperature: float) -> Terms:
    """What a `DINO` computes, as a function, so that its input is checked like that of every loss."""
    check_features(student, "dino", len(state.center))
    centered = teacher.detach().to(student.dtype) - state.center.to(student.dtype)
    targets = softmax(centered / teacher_temperature, -1)
    log_share = log_softmax(student / state.temperature, -1)
    return combine({"dino": (1.0, -cross_view_product(log_share, targets))})
