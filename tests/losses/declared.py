"""Every public loss of embeddings z, and some of their other settings with what they declare."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from fullrank.losses import LOSSES, STATEFUL_LOSSES, Terms, dcl, hill_entropy, intl, intl_beta, mec
from fullrank.losses.declaration import Point, declaration, declare
from fullrank.testing.loss_values import Loss


def fresh(stateful: type[nn.Module], z: Tensor) -> Terms:
    """The first step of a loss that has a state, of which only z is trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        terms: Terms = stateful(z.shape[-1], len(z)).requires_grad_(False).to(z.device)(z)
    return terms


VARIANTS: dict[str, Loss] = {  # another setting of a loss: what it breaks is not what the loss with its defaults does
    "intl_batch": declare(
        formula="`intl` of the features",
        cost="NDK + TK³",
        point=Point(lambda dims: 2 + 2 * intl_beta(dims) * dims),
        blind_to="offset and scale.",
        weights={"trace": lambda z: intl_beta(z.shape[2])},
        breaks={
            **dict.fromkeys(
                ("escape", "escape of few samples"),
                "blind to offset and scale, so the gradient can change shape but not size",
            ),
            "rotation": "the trace loss looks at single features",
            "mean over pairs": "pairs with the anchor, view 0, only",
            "order of views": "view 0 is the anchor",
        },
    )(partial(intl, axis="batch")),
    "dclw": declare(
        formula="`dcl` with weights",
        cost="N²D",
        point=declaration(dcl).point,
        blind_to=declaration(dcl).blind_to,
        breaks={"mean over pairs": "every view of the other samples is a negative"},
    )(partial(dcl, sigma=0.5)),
    "hill_entropy_uncentered": declare(
        formula="`hill_entropy` of the second moment",
        cost="NDK + K³",
        point=declaration(hill_entropy).point,
        blind_to="whether views agree, and to scale.",
        breaks={"pairing": "each view alone"},
    )(partial(hill_entropy, centered=False)),
    "mec_series": declare(
        formula="`mec` to order 4",
        cost="NDK + K³",
        point=-(4 - 4**2 / 2 + 4**3 / 3 - 4**4 / 4) / 4,
        blind_to="the norm.",
    )(partial(mec, order=4, eps=8 / 32)),
}
NAMED: dict[str, Loss] = {
    **{loss.__name__: loss for loss in LOSSES},
    **{stateful.__name__: partial(fresh, stateful) for stateful in STATEFUL_LOSSES},
    **VARIANTS,
}
