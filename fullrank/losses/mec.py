"""Maximum entropy coding, MEC (Liu et al., 2022), arXiv:2210.11464. V views, N samples, D features."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import COUNT, POSITIVE, Terms, combine, embedding_loss
from fullrank.stats import normalize, smaller_gram


@declare(
    formula="−ε log det(I + U Vᵀ/(Nε))",
    cost="NDK + K³",
    point=-math.log(33) / 32,
    blind_to=(
        "the norm. With order=None it is blind to the sign of the determinant: views that are opposite to "
        "each other are not pulled across the singularity."
    ),
)
@embedding_loss(settings={"eps": POSITIVE, "order": COUNT})
def mec(z: Tensor, *, eps: float = 1 / 32, order: int | None = None) -> Terms:
    """Maximum entropy coding: -eps log det(I + U V^T / (N eps)) of l2-normalized views, averaged over pairs of views.

    This is the authors' code: their eps / d = 64 / 2048 is our eps, their 1 / lambda is N eps, and the loss is scaled
    by 1 / lambda over N. They expand the logarithm to order 4, between a predictor and a momentum teacher; we take z as
    it is, and the exact determinant by default. The series holds only while all |eigenvalues| of U V^T stay below N
    eps. They reach N at collapse, so the authors start with an eps 8 times this one; the series then repels the harder.
    One point costs -eps log(1 + 1 / eps); the optimum is -eps K log(1 + 1 / (K eps)) with K = min(N, D).

    It guards against complete and dimensional collapse and few clusters.

    Args:
        z: Embeddings (V, N, D).
        eps: Distortion, above 0.
        order: Order of the series, 4 in the authors' code; None is the exact determinant.

    >>> mec(torch.ones(2, 8, 4))["loss"]  # one point: -ln(33) / 32
    tensor(-0.1093)
    """
    samples = z.shape[1]
    lengths = []
    for a, b in combinations(normalize(z.double()), 2):
        c = smaller_gram(a, b) / (samples * eps)
        lengths.append(_log_determinant(c) if order is None else _series(c, order))
    return combine({"mec": (1.0, -eps * torch.stack(lengths).mean().to(z.dtype))})


class MEC(EmbeddingLoss, function=mec): ...


def _log_determinant(c: Tensor) -> Tensor:
    """log |det(I + C)|."""
    value: Tensor = torch.linalg.slogdet(torch.eye(len(c), dtype=c.dtype, device=c.device) + c).logabsdet
    return value


def _series(c: Tensor, order: int) -> Tensor:
    """tr(C - C^2 / 2 + C^3 / 3 - ...) up to `order`, by Horner's rule."""
    eye = torch.eye(len(c), dtype=c.dtype, device=c.device)
    total = torch.zeros_like(c)
    for k in range(order, 0, -1):
        total = c @ (eye / k - total)
    return total.trace()
