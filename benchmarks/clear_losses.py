"""Losses as their papers or authors write them: with the D x D matrix or all pairs, however many there are."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import batch_norm, mse_loss, normalize

from fullrank.losses import barlow_twins, infonce, intl, uniformity, vicreg, w2

Objective = Callable[[Tensor], Tensor]


def off_diagonal(matrix: Tensor) -> Tensor:
    """All entries but the diagonal, as the authors' code of VICReg and Barlow Twins takes them."""
    n = len(matrix)
    entries: Tensor = matrix.flatten()[:-1].view(n - 1, n + 1)[:, 1:]
    return entries


def clear_vicreg(z: Tensor) -> Tensor:
    """The authors' code."""
    x = z - z.mean(1, keepdim=True)
    variance = torch.relu(1 - (x.var(1) + 1e-4).sqrt()).mean()
    covariances = [off_diagonal(view.T @ view / (len(view) - 1)).square().sum() / z.shape[2] for view in x]
    total: Tensor = 25 * mse_loss(z[0], z[1]) + 25 * variance + torch.stack(covariances).sum()
    return total


def clear_barlow_twins(z: Tensor) -> Tensor:
    """The authors' code."""
    a, b = (batch_norm(view, None, None, training=True) for view in z)
    c = a.T @ b / len(a)
    return (c.diagonal() - 1).square().sum() + 0.0051 * off_diagonal(c).square().sum()


def clear_w2(z: Tensor) -> Tensor:
    """The paper's formula through the eigenvalues of the D x D covariance."""
    rows = normalize(z, dim=2).flatten(0, 1)
    x = rows - rows.mean(0)
    roots = torch.linalg.eigvalsh(x.T @ x / len(x)).clamp_min(1e-10).sqrt()
    squared: Tensor = 2 - 2 * roots.sum() / math.sqrt(z.shape[2])
    return squared.sqrt()


def clear_intl(z: Tensor) -> Tensor:
    """The published iteration on the D x D covariance."""
    whitened = []
    for view in z:
        x = view - view.mean(0)
        covariance = x.T @ x / (len(x) - 1)
        trace = covariance.trace()
        p = torch.eye(len(covariance))
        for _ in range(4):
            p = 1.5 * p - 0.5 * p @ p @ p @ covariance / trace
        whitened.append(x @ p / trace.sqrt())
    diagonals = [(1 - (x.T @ x / (len(x) - 1)).diagonal()).square().sum() for x in whitened]
    cosine = (normalize(whitened[0], dim=1) * normalize(whitened[1], dim=1)).sum(1).mean()
    return 2 - 2 * cosine + 0.06 * torch.stack(diagonals).sum()


def clear_uniformity(z: Tensor) -> Tensor:
    """The authors' code, by pdist."""
    return torch.stack([torch.pdist(view).square().mul(-2).exp().mean().log() for view in normalize(z, dim=2)]).mean()


def clear_infonce(z: Tensor) -> Tensor:
    """Two cross-entropies."""
    a, b = normalize(z, dim=2)
    target = torch.arange(len(a))
    both = [torch.nn.functional.cross_entropy(x @ y.T / 0.1, target) for x, y in ((a, b), (b, a))]
    return torch.stack(both).mean()


CLEAR: dict[str, tuple[Objective, Objective, int]] = {  # ours, the clear form, the widest D of the clear form
    "w2": (lambda z: w2(z)["loss"], clear_w2, 2048),
    "intl, batch axis": (lambda z: intl(z, axis="batch", beta=0.06)["loss"], clear_intl, 512),
    "vicreg": (lambda z: vicreg(z)["loss"], clear_vicreg, 8192),
    "barlow_twins": (lambda z: barlow_twins(z)["loss"], clear_barlow_twins, 8192),
    "uniformity": (lambda z: uniformity(z)["loss"], clear_uniformity, 8192),
    "infonce": (lambda z: infonce(z)["loss"], clear_infonce, 8192),
}
