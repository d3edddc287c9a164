"""SwAV (Caron et al., 2020), arXiv:2006.09882. V views, N samples, D features, K prototypes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import log_softmax, softmax

from fullrank.errors import UserError
from fullrank.losses.declaration import Point, declare
from fullrank.losses.pairs import cross_view_product
from fullrank.losses.terms import CONSTANT, COUNT, POSITIVE, Terms, check_features, combine, embedding_loss, finite_or
from fullrank.stats import normalize


@declare(
    formula="cross-entropy with Sinkhorn's codes of the other view, over P prototypes",
    cost="NDP",
    breaks={
        **dict.fromkeys(
            ("escape", "escape of few samples"),
            "the step goes to where prototypes are, for all samples and for each: the spread grows, but slower",
        ),
        "revival": "missing directions feel only what its prototypes, untrained, have there",
        "rotation": "the prototypes stay where they are",
        **dict.fromkeys(("gradient", "second derivative"), "codes are targets"),
        "functional": "the prototypes are parameters, and torch.func wants those as arguments",
    },
    point=Point(lambda prototypes: math.log(prototypes), "ln {prototypes}", at_zero=True),
    blind_to=(
        "the norm, and to dimensions that the prototypes, which learn, do not ask for: few dimensions or "
        "clusters cost more only while there are more prototypes than can be told apart there."
    ),
)
class SwAV(nn.Module):
    """Each view predicts to which of K trained prototypes the other views are assigned.

    The scores s are the cosines of embeddings and prototypes. The loss is the mean over samples and ordered pairs of
    different views of -code log softmax(s / temperature), where the codes of a view are `sinkhorn` of its scores,
    without gradient: every prototype gets an equal share of the batch. The prototypes are a parameter, which is scaled
    to unit length at every use; to keep them still for the first steps, as the authors do, is left to the trainer.
    Temperature 0.1, eps 0.05 and 3 iterations are the authors'; 300 prototypes (theirs: 3000 for ImageNet) and no queue
    are ours, for small data.

    It guards against complete collapse, whose loss is ln K at best: codes of equal shares break it up.

    Args:
        features: Number of features D of the embeddings.
        views: Number of first views, the large crops, that codes are made of; the codes are predicted from all views.
        prototypes: Number of prototypes K.
        temperature: Divides the cosines in the prediction, above 0.
        eps: Divides the cosines in the codes, above 0.
        iterations: Rounds of `sinkhorn`.
        queue: Number of older embeddings of each view over which the codes are balanced too, as soon as they are
            there, for batches of fewer samples than prototypes. It is filled in training mode.

    Raises:
        UserError: z does not have the `features` that the loss was made for, or fewer views.

    >>> swav = SwAV(features=4, prototypes=3)
    >>> _ = torch.nn.init.ones_(swav.prototypes)  # equal prototypes: ln 3
    >>> swav(torch.eye(4).expand(2, 4, 4))["loss"]
    tensor(1.0986, grad_fn=<MulBackward0>)
    """

    queue: Tensor
    queued: Tensor

    def __init__(
        self,
        features: int,
        views: int = 2,
        *,
        prototypes: int = 300,
        temperature: float = 0.1,
        eps: float = 0.05,
        iterations: int = 3,
        queue: int = 0,
    ) -> None:
        POSITIVE.check("SwAV", "temperature", temperature)
        CONSTANT.check("SwAV", "eps", eps)  # the codes are targets
        for name, count in (("prototypes", prototypes), ("iterations", iterations)):
            COUNT.check("SwAV", name, count)
        super().__init__()
        self.views = views
        self.temperature, self.eps, self.iterations = temperature, eps, iterations
        self.prototypes = nn.Parameter(normalize(torch.randn(prototypes, features)))
        self.queue_size = queue
        if queue:
            COUNT.check("SwAV", "queue", queue)
            self.register_buffer("queue", torch.zeros(views, queue, features))
            self.register_buffer("queued", torch.zeros((), dtype=torch.int64))

    def forward(self, z: Tensor, *, with_queue: bool = True) -> Terms:
        """The terms of z (V, N, D), with gradient to z and the prototypes; in training mode, this also enqueues z."""
        with_queue = with_queue and self.queue_size > 0
        terms = swav(z, self, older=self.queue) if with_queue and self.queued >= self.queue_size else swav(z, self)
        if with_queue and self.training:
            newest = normalize(z[: self.views].detach().to(self.queue.dtype))
            self.queue = finite_or(self.queue, torch.cat([newest, self.queue], 1)[:, : self.queue_size])
            self.queued += z.shape[1] * newest.isfinite().all()
        return terms


@embedding_loss()
def swav(z: Tensor, state: SwAV, *, older: Tensor | None = None) -> Terms:
    """What a `SwAV` computes, as a function, so that its input is checked like that of every loss."""
    check_features(z, "swav", state.prototypes.shape[1])
    if len(z) < state.views:
        raise UserError(
            f"SwAV was made for {state.views} first views, but got {len(z)}: pass those, or views={len(z)}."
        )
    prototypes = normalize(state.prototypes.to(z.dtype))
    scores = normalize(z) @ prototypes.T  # (V, N, K)
    balanced = scores[: state.views].detach()
    if older is not None:
        balanced = torch.cat([older.to(z.dtype) @ prototypes.detach().T, balanced], 1)  # (views, Q + N, K)
    codes = sinkhorn(balanced, eps=state.eps, iterations=state.iterations)[:, -z.shape[1] :]
    log_share = log_softmax(scores / state.temperature, -1)
    return combine({"swav": (1.0, -cross_view_product(log_share, codes))})


def sinkhorn(scores: Tensor, *, eps: float, iterations: int) -> Tensor:
    """Codes (..., N, K) of scores (..., N, K): those of a sample sum to 1, and each prototype gets about N / K of them.

    exp(scores / eps) is scaled in turn to equal sums of the prototypes and of the samples, in logarithms, so that no
    score overflows.

    >>> sinkhorn(torch.tensor([[1.0, 0.0], [0.5, 0.0]]), eps=0.1, iterations=10).round(decimals=1)
    tensor([[0.9000, 0.1000],
            [0.1000, 0.9000]])
    """
    log_codes = scores / eps
    for _ in range(iterations):
        log_codes = log_softmax(log_softmax(log_codes, -2), -1)
    return softmax(log_codes, -1)  # they sum to 1 but for rounding, which this removes
