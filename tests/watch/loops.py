"""Trainings that are not ours, tiny: two views of clustered points, and a loss that collapses or does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fullrank.losses import vicreg
from fullrank.watch import CollapseMonitor, Rules

CLASSES, FEATURES, DIMS, BATCH = 8, 32, 16, 128
NOW = Rules(grace=0, pace=1)
Loss = Callable[[Tensor], Tensor]  # of views (2, N, D)


def feed(clouds: list[Tensor], **options: Any) -> CollapseMonitor:
    monitor = CollapseMonitor(every=1, **({"rules": NOW} | options))
    for z in clouds:
        monitor(z)
    return monitor


def points(seed: int, n: int = BATCH) -> tuple[Tensor, Tensor]:
    """Points (N, F) around the corner of their class, and the class (N,)."""
    corners = torch.randn(CLASSES, FEATURES, generator=torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (n,), generator=generator)
    return corners[labels] + 0.5 * torch.randn(n, FEATURES, generator=generator), labels


def net(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(FEATURES, 64), nn.ReLU(), nn.Linear(64, DIMS))


def pull(z: Tensor) -> Tensor:
    """Only pulls the views together: one point is its optimum."""
    return (z[0] - z[1]).square().sum(1).mean()


def healthy(z: Tensor) -> Tensor:
    return vicreg(z)["loss"]


def accuracy(model: nn.Module) -> float:
    """Of the nearest other point, on 256 points whose embeddings are kept in bfloat16, as large sets are."""
    x, labels = points(seed=10**6, n=256)
    with torch.no_grad():
        z = model(x).bfloat16().float()
    distance = torch.cdist(z, z).fill_diagonal_(torch.inf)
    return float((labels[distance.argmin(1)] == labels).float().mean())


def train(loss: Loss, monitor: CollapseMonitor, *, steps: int, lr: float = 3e-4) -> dict[int, float]:
    """An own loop; the accuracy of the model at every twentieth step."""
    model, accuracies = net(), {}
    optimizer = torch.optim.Adam(model.parameters(), lr=lr)
    for step in range(steps):
        x, _ = points(seed=step)
        generator = torch.Generator().manual_seed(step)
        views = torch.stack([x + 0.3 * torch.randn(x.shape, generator=generator) for _ in range(2)])
        z = model(views)
        optimizer.zero_grad()
        loss(z).backward()
        optimizer.step()
        monitor(z[0])
        if step % 20 == 0:
            accuracies[step] = accuracy(model)
        if monitor.should_stop:
            break
    return accuracies
