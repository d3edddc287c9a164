"""VISReg (Wu et al., 2026), arXiv:2606.02572. V views, N samples, D features."""

from __future__ import annotations

import math
from statistics import NormalDist

import torch
from torch import Tensor

from fullrank.losses.declaration import Point, declare
from fullrank.losses.module import SlicedLoss
from fullrank.losses.terms import COUNT, SHARE, Terms, combine, embedding_loss
from fullrank.stats import random_slices


def _at_zero(batch_size: int) -> float:
    """The value at zeros: they have no std, and the quantiles keep their variance."""
    quantiles = [NormalDist().inv_cdf(i / (batch_size + 1)) for i in range(1, batch_size + 1)]
    return 0.9 * (1 + sum(q * q for q in quantiles) / batch_size)


@declare(
    formula="invariance + λ (mean² + (1 − std)² + sorted slices to normal quantiles)",
    cost="N S (D + log N), S slices",
    weights={"invariance": 0.1, "center": 0.9, "scale": 0.9, "shape": 0.9},
    breaks={
        **dict.fromkeys(
            ("escape", "escape of few samples", "revival"),
            "first the mean, then what drawn slices show: live dimensions",
        ),
        "rotation": "the slices are drawn, and the scale is that of single features",
        "mean over pairs": "similarity to the mean view",
        **dict.fromkeys(("gradient", "second derivative"), "the shape does not pull at the scale"),
    },
    point=Point(_at_zero, at_zero=True),
    blind_to=(
        "nothing of complete, dimensional, cluster or norm collapse. At exactly one point the gradient is "
        "zero but for the center; around it, shape is judged by noise."
    ),
)
@embedding_loss(settings={"regularization": SHARE, "slices": COUNT})
def visreg(z: Tensor, *, regularization: float = 0.9, slices: int = 4096, seed: int = 0) -> Terms:
    """VISReg: pull views to their mean, and give each view the center, scale and shape of a normal distribution.

    The term `invariance` is the mean squared distance of the elements to the mean over views (all views are global),
    weighted 1 - regularization. The other terms, weighted `regularization`, are means over features and views: `center`
    of mean^2; `scale` of (1 - std)^2, divisor N; `shape` of the squared distance of the sorted values to the normal
    quantiles at i / (N + 1), along random slices of (z - mean) / (std + 1e-6), with the authors' eps (lightly 1.6:
    1e-4). The division carries no gradient to the std, so that the shape does not act on the scale.

    Args:
        z: Embeddings (V, N, D).
        regularization: Weight of center, scale and shape, from 0 to 1; the paper takes 0.6 for small data sets.
        slices: Number of random directions, at least 1.
        seed: Decides the slices. The authors draw new ones at each step: pass the step.

    >>> visreg(torch.zeros(2, 8, 4))["scale"]
    tensor(1.)
    """
    samples, features = z.shape[1:]
    mean = z.mean(1, keepdim=True)
    std = torch.linalg.vector_norm(z - mean, dim=1, keepdim=True) / math.sqrt(samples)  # its gradient at 0 is 0
    shapes = (z - mean) / (std.detach() + 1e-6)
    sorted_values = (shapes @ random_slices(features, slices, seed, like=z)).sort(1).values  # (V, N, slices)
    positions = torch.arange(1, samples + 1, dtype=torch.float64, device=z.device) / (samples + 1)
    quantiles = torch.special.ndtri(positions).to(z.dtype)[:, None]
    return combine(
        {
            "invariance": (1 - regularization, (z - z.mean(0)).square().mean()),
            "center": (regularization, mean.square().mean()),
            "scale": (regularization, (1 - std).square().mean()),
            "shape": (regularization, (sorted_values - quantiles).square().mean()),
        }
    )


class VISReg(SlicedLoss, function=visreg): ...
