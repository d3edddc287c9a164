"""Spectral contrastive loss (HaoChen, Wei, Gaidon & Ma, 2021), arXiv:2106.04156. V views, N samples, D features."""

from __future__ import annotations

import math
from itertools import combinations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import CONSTANT, Terms, combine, embedding_loss
from fullrank.stats import normalize


@declare(
    formula="−2 ⟨z, z⁺⟩ + mean ⟨z, z⁻⟩²",
    cost="NDK",
    breaks={"norm": "norms above the radius of the ball are seen as the radius"},
    point=-1.0,
    blind_to="norms above sqrt(mu).",
)
@embedding_loss(settings={"mu": CONSTANT})
def spectral_contrastive(z: Tensor, *, mu: float = 1.0) -> Terms:
    """-2 mean <a_i, b_i> + mean over i != j of <a_i, b_j>^2 for two views, both divided by mu.

    As in the authors' code, rows outside the ball of radius sqrt(mu) are first moved to its surface. The loss is the
    mean over pairs of views. It is in [-2, 2 + mu], and lower is better; one point of norm sqrt(mu) or more costs mu -
    2.

    It guards against complete and dimensional collapse, few clusters, and norms far below sqrt(mu).

    Args:
        z: Embeddings (V, N, D).
        mu: Squared radius of the ball, above 0.

    >>> spectral_contrastive(torch.ones(2, 8, 4))["loss"]  # one point
    tensor(-1.)
    """
    samples, features = z.shape[1:]
    inside = torch.linalg.vector_norm(z.detach(), dim=-1, keepdim=True) < math.sqrt(mu)
    ball = torch.where(inside, z, math.sqrt(mu) * normalize(z))
    attraction, repulsion = [], []
    for a, b in combinations(ball, 2):
        positives = (a * b).sum(1)
        squares = (a @ b.T).square().sum() if samples < features else ((a.T @ a) * (b.T @ b)).sum()  # |A B^T|^2
        attraction.append(-2 * positives.mean() / mu)
        repulsion.append((squares - positives.square().sum()) / (samples * (samples - 1) * mu))
    return combine(
        {"attraction": (1.0, torch.stack(attraction).mean()), "repulsion": (1.0, torch.stack(repulsion).mean())}
    )


class SpectralContrastive(EmbeddingLoss, function=spectral_contrastive): ...
