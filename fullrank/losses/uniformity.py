"""Uniformity (Wang & Isola, 2020), arXiv:2005.10242. V views, N samples, D features."""

from __future__ import annotations

import torch
from torch import Tensor

from fullrank.losses.declaration import declare
from fullrank.losses.module import EmbeddingLoss
from fullrank.losses.terms import POSITIVE, Terms, combine, embedding_loss
from fullrank.stats import log_gaussian_potential, normalize


@declare(
    formula="log mean exp(−2 ‖uᵢ − uⱼ‖²)",
    cost="N²D",
    breaks={"pairing": "each view alone"},
    point=0.0,
    blind_to="weakly, dimensional collapse (16 of 256 dimensions still score -3.5 of -4). See `w2`.",
)
@embedding_loss(min_views=1, settings={"t": POSITIVE})
def uniformity(z: Tensor, *, t: float = 2.0) -> Terms:
    """Logarithm of the mean Gaussian potential exp(-t d^2) between the samples of a view, on l2-normalized rows.

    As in the authors' code, it is taken over distinct pairs within each view, then averaged over views. The value is in
    [-4t, 0], and lower is better; points that are spread evenly over a sphere of many dimensions reach about -2t.

    Args:
        z: Embeddings (V, N, D).
        t: Sharpness of the potential, above 0; a parameter gets its gradient.

    >>> uniformity(torch.ones(2, 8, 4))["loss"] == 0  # one point
    tensor(True)
    """
    potentials = [log_gaussian_potential(view, t) for view in normalize(z)]
    return combine({"uniformity": (1.0, torch.stack(potentials).mean())})


class Uniformity(EmbeddingLoss, function=uniformity): ...
