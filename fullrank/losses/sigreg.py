"""LeJEPA's SIGReg (Balestriero & LeCun, 2025), arXiv:2511.08544. V views, N samples, D features."""

from __future__ import annotations

from torch import Tensor

from fullrank.errors import UserError
from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import SlicedLoss
from fullrank.losses.terms import COUNT, SHARE, Terms, combine, embedding_loss
from fullrank.stats import epps_pulley, random_slices


@declare(
    formula="invariance + λ N mean over slices ∫ |φ(t) − e^(−t²/2)|² e^(−t²/2) dt",
    cost="N S (D + 17), S slices",
    weights={"invariance": 0.95, "normality": 0.05},
    breaks={
        **dict.fromkeys(
            ("escape", "escape of few samples", "revival"),
            "first the mean, then what drawn slices show: live dimensions",
        ),
        "rotation": "the slices are drawn",
        "mean over pairs": "similarity to the mean view",
    },
    point=Point(lambda batch_size: 0.05 * 0.40204759 * batch_size, at_zero=True),
    blind_to=(
        "nothing of complete, dimensional, cluster or norm collapse; but missing dimensions are revived "
        "slowly if at all, since a slice sees mostly the live ones."
    ),
)
@embedding_loss(settings={"regularization": SHARE, "slices": COUNT, "global_views": COUNT})
def sigreg(
    z: Tensor, *, regularization: float = 0.05, slices: int = 1024, global_views: int | None = None, seed: int = 0
) -> Terms:
    """LeJEPA: pull views to their mean, and make each view a standard normal distribution along random slices.

    The term `invariance` is the mean squared distance of the elements to the mean over views, weighted 1 -
    regularization. The term `normality` is N times the Epps-Pulley distance, the integral of |phi(t) - e^(-t^2/2)|^2
    e^(-t^2/2) dt of the characteristic function phi of a view along a slice, by the authors' trapezoid of 17 knots on
    [0, 3], doubled; it is the mean over slices and views. A standard normal has a normality of 1.05 for any N, and
    zeros have 0.402 N. It needs memory for 3 V x N x slices numbers.

    Args:
        z: Embeddings (V, N, D).
        regularization: Weight of `normality`, from 0 to 1.
        slices: Number of random directions, at least 1.
        global_views: Number of first views, the large crops, whose mean is the target of all: local views are pulled
            to it and do not move it; None takes the mean of all views.
        seed: Decides the slices. The authors draw new ones at each step: pass the step, the same in every process.

    Raises:
        UserError: z cannot be used, there are more global views than views, or a setting cannot work.

    >>> import torch
    >>> round(float(sigreg(torch.zeros(2, 1000, 4))["normality"]), 1)
    402.0
    """
    if global_views is not None and global_views > len(z):
        raise UserError(f"sigreg got global_views={global_views} and {len(z)} views: pass at most as many.")
    center = z[:global_views].mean(0)
    normality = epps_pulley(z @ random_slices(z.shape[2], slices, seed, like=z)).mean()
    return combine(
        {
            "invariance": (1 - regularization, (z - center).square().mean()),
            "normality": (regularization, normality),
        }
    )


class SIGReg(SlicedLoss, function=sigreg): ...
