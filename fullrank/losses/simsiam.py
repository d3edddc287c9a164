"""SimSiam (Chen & He, 2021), arXiv:2011.10566. V views, N samples, D features."""

from __future__ import annotations

from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import PairLoss
from fullrank.losses.pairs import cross_view_cosine
from fullrank.losses.terms import Terms, combine, embedding_loss


@declare(
    formula="−c of prediction and target",
    cost="ND",
    weights={"simsiam": -1.0},
    point=-1.0,
    blind_to="every collapse. One point is a perfect score; stop-gradient and predictor must prevent it.",
)
@embedding_loss(min_samples=1)
def simsiam(prediction: Tensor, target: Tensor) -> Terms:
    """Minus the mean cosine between the prediction for each view and the target of every other view.

    The formula is the authors' (their halves of two directions are the mean). The value is in [-1, 1], and lower is
    better.

    Args:
        prediction: The predictor's outputs (V, N, D).
        target: The embeddings (T, N, D) of the first T views; they get no gradient.

    >>> import torch
    >>> simsiam(torch.tensor([[[1.0, 0.0]], [[2.0, 0.0]]]), torch.tensor([[[3.0, 0.0]], [[1.0, 0.0]]]))["loss"]
    tensor(-1.)
    """
    return combine({"simsiam": (-1.0, cross_view_cosine(prediction, target))})


class SimSiam(PairLoss, function=simsiam): ...
