"""BYOL (Grill et al., 2020), arXiv:2006.07733. V views, N samples, D features."""

from __future__ import annotations

from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import PairLoss
from fullrank.losses.pairs import cross_view_cosine
from fullrank.losses.terms import Terms, combine, embedding_loss


@declare(
    formula="2 − 2c of prediction and target, both directions",
    cost="ND",
    weights={"byol": 2.0},
    point=0.0,
    blind_to="every collapse. One point is a perfect score; predictor and teacher must prevent it.",
)
@embedding_loss(min_samples=1)
def byol(prediction: Tensor, target: Tensor) -> Terms:
    """2 - 2 cos between the prediction for each view and the target of every other view.

    The formula is the authors': for two views it is the sum of both directions, each a mean over samples; with V views
    it is twice the mean over ordered pairs. The value is in [0, 8], and lower is better.

    Args:
        prediction: The predictor's outputs (V, N, D) of the student.
        target: The teacher's embeddings (T, N, D) of the first T views; they get no gradient.

    >>> import torch
    >>> views = torch.eye(2).view(2, 1, 2)  # one sample, two orthogonal views
    >>> byol(views, views)["loss"]
    tensor(4.)
    """
    return combine({"byol": (2.0, 2.0 - 2.0 * cross_view_cosine(prediction, target))})


class BYOL(PairLoss, function=byol): ...
