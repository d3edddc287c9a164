"""Every public loss and some of their other settings, as the contract tests them, with what they declare."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fullrank.losses import LOSSES, STATEFUL_LOSSES, Terms, dcl, hill_entropy, intl, mec
from fullrank.losses.declaration import Declaration, declaration
from tests.losses.contract import Loss
from tests.losses.sliced import sigreg_of_a_point, visreg_of_a_point


def fresh(stateful: type[nn.Module], z: Tensor) -> Terms:
    """The first step of a loss that has a state, of which only z is trained."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        terms: Terms = stateful(z.shape[-1], len(z)).requires_grad_(False)(z)
    return terms


def swav_of_a_point(point: Tensor) -> float:
    """All codes are equal shares of all prototypes; these are the first that the seed of `fresh` draws."""
    draws = torch.randn(300, len(point), generator=torch.Generator().manual_seed(0))
    cosines = torch.nn.functional.cosine_similarity(draws.to(point.dtype), point, dim=1)
    return -float(torch.log_softmax(cosines / 0.1, 0).mean())


NAMED: dict[str, Loss] = {
    **{loss.__name__: loss for loss in LOSSES},
    **{stateful.__name__: partial(fresh, stateful) for stateful in STATEFUL_LOSSES},
    "intl_batch": partial(intl, axis="batch"),
    "dclw": partial(dcl, sigma=0.5),
    "hill_entropy_uncentered": partial(hill_entropy, centered=False),
    "mec_series": partial(mec, order=4, eps=8 / 32),
}

VARIANTS = {  # another setting of a loss: what it breaks is not what the loss with its defaults does
    "intl_batch": Declaration(
        formula="`intl` of the features",
        cost="NDK + TK³",
        weights={"trace": 0.01},
        breaks={
            "escape": "blind to offset and scale, so the gradient can change shape but not size",
            "rotation": "the trace loss looks at single features",
            "mean over pairs": "pairs with the anchor, view 0, only",
            "order of views": "view 0 is the anchor",
        },
    ),
    "dclw": Declaration(
        formula="`dcl` with weights",
        cost="N²D",
        breaks={"mean over pairs": "every view of the other samples is a negative"},
    ),
    "hill_entropy_uncentered": Declaration(
        formula="`hill_entropy` of the second moment", cost="NDK + K³", breaks={"pairing": "each view alone"}
    ),
    "mec_series": Declaration(formula="`mec` to order 4", cost="NDK + K³"),
}
PUBLIC: list[Callable[..., object]] = [*LOSSES, *STATEFUL_LOSSES]
DECLARED: dict[str, Declaration] = {loss.__name__: declaration(loss) for loss in PUBLIC} | VARIANTS

N, D, POINT = 8, 4, torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
PLATEAU = {  # the value when all samples are one point, V = 2: metrics_and_losses 3.2
    "alignment": 0.0,
    "uniformity": 0.0,
    "w2": math.sqrt(2),
    "infonce": math.log(N),
    "nt_xent": math.log(2 * N - 1),
    "vicreg": 24.75,
    "vibcreg": 24.75,
    "barlow_twins": float(D),
    "intl": 2 * 0.01 * N * (1 - 1 / N) ** 2,  # one direction among the samples keeps variance 1
    "intl_batch": 2 + 2 * 0.01 * D,
    "CorInfoMax": -2 * math.log(0.01 + 1e-8) - 2 / D * math.log1p(0.0099),  # what is left of R, and of the mean, once
    "log_determinant_mutual_information": 0.0,
    "spectral_transformation": 2.0,
    "w_mse": 2.0,
    "zero_cl": -1 / (D - 1),  # one direction among the samples is whitened
    "coding_rate": -200 - math.log1p(D / 0.2) / 2,
    "dcl": math.log(2 * N - 2),
    "dclw": math.log(2 * N - 2),
    "frossl": 0.0,
    "hill_entropy": 0.0,
    "hill_entropy_uncentered": 0.0,
    "koleo": 8 * math.log(10),
    "mec": -math.log(33) / 32,
    "matrix_ssl": math.log(2) - math.log(33) / 32,
    "mec_series": -(4 - 4**2 / 2 + 4**3 / 3 - 4**4 / 4) / 4,
    "mmcr": -math.sqrt(N),
    "spectral_contrastive": -1.0,
    "ssl_hsic": 0.0,
    "SwAV": swav_of_a_point(POINT),
    "TiCo": 8 * 0.1,
    "vne": -4.16,
    "sigreg": sigreg_of_a_point(N, POINT),
    "visreg": visreg_of_a_point(N, POINT),
}
