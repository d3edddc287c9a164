"""Rank of any order as a regularizer: q = 2 is FroSSL's (arXiv:2310.02903), q = 1 centered VNE. z (V, N, D)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import Rule, Terms, combine, embedding_loss
from fullrank.stats import eigvalsh, smaller_gram

ORDER = Rule("an order above 0, since an order of 0 has no gradient", lambda order: order > 0)
_CUT = 1e-12  # eigenvalues below this share of the largest carry no gradient: for q < 1 it would be their rounding


@declare(
    formula="−log D_q(p), D_q = (Σ p^q)^(1/(1−q))",
    cost="NDK + K³",
    breaks={
        **dict.fromkeys(
            ("escape", "escape of few samples"),
            "centered and free of scale: the noise around one point has the rank of a cloud",
        ),
        "pairing": "each view alone",
    },
    point=0.0,
    blind_to=("whether views agree, and to scale; if centered to the mean, so to a cloud shrinking onto one point."),
)
@embedding_loss(min_views=1, settings={"order": ORDER})
def hill_entropy(z: Tensor, *, order: float = 1.0, centered: bool = True) -> Terms:
    """Minus the logarithm of the Hill number D_q (`stats.hill`) of the covariance spectrum, averaged over views. Ours.

    With p the eigenvalues over their sum, D_q = (sum p^q)^(1 / (1 - q)): q = 1/2 is the spectral part of W2 uniformity,
    1 the effective rank, 2 the participation ratio, and inf 1 / max p. The value is in [-log min(N - 1, D), 0], and one
    point gives 0. Add it to another loss. The gradient is exact for equal eigenvalues too.

    It guards against dimensional collapse; orders below 1 weigh the small eigenvalues more, and orders above 1 the
    largest.

    Args:
        z: Embeddings (V, N, D).
        order: q, above 0; an order of 0 counts eigenvalues and has no gradient.
        centered: Whether the spectrum is that of the covariance; False takes the uncentered second moment.

    >>> hill_entropy(torch.eye(4).expand(2, 4, 4), order=2.0)["loss"]  # three equal dimensions: -log 3
    tensor(-1.0986)
    """
    return combine(
        {"hill_entropy": (1.0, -torch.stack([_log_hill(x.double(), order, centered) for x in z]).mean().to(z.dtype))}
    )


class HillEntropy(EmbeddingLoss, function=hill_entropy): ...


def _log_hill(x: Tensor, order: float, centered: bool) -> Tensor:
    rounding = 8 * torch.finfo(x.dtype).eps * x.detach().abs().amax()
    x = x - x.mean(0) if centered else x
    x = torch.where(x.detach().abs().amax() > rounding, x, 0.0 * x)  # a constant leaves its rounding: no spectrum
    values = eigvalsh(smaller_gram(x))
    values = values[~(values <= _CUT * values[-1])]  # NaN is kept
    if len(values) == 0:  # one point
        return x.sum() * 0.0
    log_p: Tensor = values.log() - values.sum().log()
    if math.isinf(order):
        return -log_p.amax()
    if abs(order - 1.0) < 1e-6:  # the limit, as in `stats.hill`
        return -(log_p.exp() * log_p).sum()
    return torch.logsumexp(order * log_p, 0) / (1.0 - order)
