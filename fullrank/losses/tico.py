"""TiCo (Zhu et al., 2022), arXiv:2206.10698. V views, N samples, D features."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from fullrank.losses.declaration import declare
from fullrank.losses.terms import SHARE, WEIGHT, Terms, check_features, combine, embedding_loss, finite_or, mean_of
from fullrank.stats import normalize


@declare(
    formula="1 − c + 8 mean uᵀMu, M: running second moment",
    cost="ND²",
    weights={"covariance": 8.0},
    breaks={"mean over pairs": "pairs with the anchor, view 0, only", "order of views": "view 0 is the anchor"},
    point=8.0,
    blind_to="the norm, and to a collapse of the views other than 0 by itself (they have the same encoder).",
)
class TiCo(nn.Module):
    """TiCo: pull all views to view 0, and push view 0 out of the directions that it had over many batches.

    With l2-normalized rows, U of view 0, and the uncentered second moment U^T U / N of the batch,

        C <- memory * C + (1 - memory) * U^T U / N

    The term `invariance` is 1 - cos to view 0, averaged over the other views. The term `covariance` is the mean of u^T
    C u over U, with the new C, whose gradient goes through the batch and not into the memory. C starts at zero and is
    in `state_dict`; a module in eval mode leaves it as it is. Formula and defaults (memory 0.9, covariance 8) are those
    of lightly, whose version 1.6 passes no gradient through U^T U / N; others take a covariance weight of 20.

    It guards against complete collapse, but slowly: the push is weak near one point and for missing dimensions.

    Args:
        features: Number of features D of the embeddings.
        views: Taken as by every loss with a state; any number of views is accepted.
        memory: Share of the old C that is kept at each step, from 0 to 1.
        covariance: Weight of `covariance`.

    Raises:
        UserError: z does not have the `features` that the loss was made for.

    >>> TiCo(features=4)(torch.ones(2, 8, 4))["loss"]  # one point at the first step: 8 (1 - memory)
    tensor(0.8000)
    """

    moment: Tensor

    def __init__(self, features: int, views: int = 2, *, memory: float = 0.9, covariance: float = 8.0) -> None:
        SHARE.check("TiCo", "memory", memory)
        WEIGHT.check("TiCo", "covariance", covariance)
        super().__init__()
        self.memory, self.covariance = memory, covariance
        self.register_buffer("moment", torch.zeros(features, features, dtype=torch.float64))

    def forward(self, z: Tensor) -> Terms:
        """The terms of z (V, N, D); in training mode, this also advances the state by one step."""
        return tico(z, self)


@embedding_loss()
def tico(z: Tensor, state: TiCo) -> Terms:
    """What a `TiCo` computes, as a function, so that its input is checked like that of every loss."""
    check_features(z, "tico", len(state.moment))
    (anchor, *others), samples = normalize(z).unbind(), z.shape[1]
    remembered = state.moment.to(z.dtype, copy=True).mul_(state.memory)
    share = (1 - state.memory) / samples
    cost, moment = _Covariance.apply(anchor, remembered, share)[:2]
    if state.training:
        state.moment.copy_(finite_or(state.moment, (state.memory * state.moment).add_(moment, alpha=share)))
    invariance = 1 - mean_of([(other * anchor).sum() for other in others]) / samples
    return combine({"invariance": (1.0, invariance), "covariance": (state.covariance, cost / samples)})


class _Covariance(torch.autograd.Function):
    """Sum of u^T (C + share U^T U) u over the rows u (N, D), and U^T U; value and gradient share the one product."""

    @staticmethod
    def forward(rows: Tensor, remembered: Tensor, share: float) -> tuple[Tensor, Tensor, Tensor]:
        moment = rows.T @ rows
        ahead = torch.add(remembered, moment, alpha=share)
        cost = (ahead * moment).sum()
        return cost, moment, rows @ ahead.add_(moment, alpha=share)  # the last is half of the slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, float], output: tuple[Tensor, Tensor, Tensor]) -> None:
        rows, remembered, ctx.share = inputs
        ctx.mark_non_differentiable(*output[1:])
        ctx.save_for_backward(rows, remembered, output[2])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows, remembered, slope = ctx.saved_tensors
        if torch.is_grad_enabled():  # a derivative of this one is asked for
            slope = rows @ (remembered + 2 * ctx.share * rows.T @ rows)
        return 2 * gradients[0] * slope, None, None
