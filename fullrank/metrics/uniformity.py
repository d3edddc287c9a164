"""How evenly do the directions fill the sphere, and how close are the two views of one image?"""

from __future__ import annotations

import math

from torch import Tensor

from fullrank.errors import UserError
from fullrank.metrics._embeddings import eigenvalues, unit_moments, unit_rows
from fullrank.metrics._pairs import sample
from fullrank.stats import Moments, log_gaussian_potential


def w2_uniformity(z: Tensor | Moments) -> float:
    """Wasserstein-2 distance of z (N, D), rows scaled to length 1, from the uniform distribution on the sphere.

    sqrt(2 - 2 tr(C^1/2) / sqrt(D)), C the covariance with divisor N, which for unit rows equals Fang et al.'s
    (2024) sqrt(|mean|^2 + 1 + tr C - 2 tr(C^1/2) / sqrt(D)): a Gaussian fitted to the rows against N(0, I / D).
    Equally sqrt(2 - 2 sqrt(tr C x D_1/2 / D)) with the Hill number D_1/2. In [0, sqrt 2]; low is healthy, ideal
    0; total collapse, zeros and one row give sqrt 2. Has a floor of about sqrt(D / N) / 2 even for perfect data:
    compare at equal N. Moments must be those of rows scaled to length 1.
    Blind to: no kind of collapse; it sees mean and covariance only.

    >>> import torch
    >>> round(w2_uniformity(torch.tensor([[5.0, 0.0], [-5.0, 0.0], [0.0, 1.0], [0.0, -1.0]])), 6)
    0.0
    >>> round(w2_uniformity(torch.ones(5, 3)), 6)
    1.414214
    """
    values = eigenvalues(unit_moments(z) if isinstance(z, Moments) else unit_rows(z))
    dims = z.dims if isinstance(z, Moments) else z.shape[1]
    return math.sqrt(max(0.0, 2 - 2 * float(values.sqrt().sum()) / math.sqrt(dims)))


def uniformity(z: Tensor, t: float = 2.0, *, seed: int = 0) -> float:
    """Wang & Isola's (2020) uniformity of z (N, D), rows scaled to length 1, over all pairs.

    log mean_{i<j} exp(-t |u_i - u_j|^2). In [-4 t, 0]; low is healthy, ideal -4 + 8 / D at t = 2; total
    collapse, zeros and one row give 0. Values of another t (lightly's default is 1) are not comparable.
    Above 8,192 rows, that of a sample drawn by `seed`.
    Blind to: dimensional collapse, dead and duplicate dimensions, or nearly: -3.94 for -3.97 with half of 256
    dimensions gone, -3.07 for -3.87 with 56 of 64.

    >>> import torch
    >>> round(uniformity(torch.tensor([[3.0, 0.0], [-0.1, 0.0]])), 6)
    -8.0
    """
    return float(log_gaussian_potential(sample(unit_rows(z), seed), t))


def alignment(z1: Tensor, z2: Tensor) -> float:
    """Mean squared distance between the two views z1, z2 (N, D) of each sample, rows scaled to length 1.

    mean |u1 - u2|^2 = 2 - 2 mean cosine (Wang & Isola, 2020, alpha = 2). In [0, 4]; low is healthy when the
    uniformity is too; 2 means that the views have nothing in common.
    Blind to: every collapse; it is perfect, 0, at total collapse. Never show it alone.

    >>> import torch
    >>> alignment(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 7.0]]))
    2.0
    """
    if z1.shape != z2.shape:
        raise UserError(f"The views have the shapes {tuple(z1.shape)} and {tuple(z2.shape)}: pass two of equal shape.")
    return float((unit_rows(z1) - unit_rows(z2)).square().sum(1).mean())
