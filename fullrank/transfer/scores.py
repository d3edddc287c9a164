"""What a classifier is worth on a test set: top-1, top-5, balanced accuracy, and which classes it takes for which."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

TOP = 5


@dataclass(frozen=True, eq=False)
class Scores:
    """Accuracies in [0, 1]; `top5` is None where there are five classes or fewer, of which any answer names all.

    `balanced` is the mean over the classes of the test set of the share of their images that are named rightly;
    `confusion` (C, C) counts images of a class (row) that were taken for a class (column).
    """

    top1: float
    top5: float | None
    balanced: float
    confusion: Tensor

    def to_json(self) -> dict[str, Any]:
        """The three numbers."""
        return {"top1": self.top1, "top5": self.top5, "balanced": self.balanced}


def scores_of(votes: Tensor, labels: Tensor) -> Scores:
    """Score votes (N, C), of which the largest is the answer, against labels (N,); of equal votes the first counts.

    >>> votes = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    >>> found = scores_of(votes, torch.tensor([0, 0, 0, 1]))
    >>> round(found.top1, 3), found.top5, round(found.balanced, 3), found.confusion.tolist()
    (0.5, None, 0.333, [[2, 1], [1, 0]])
    """
    classes = votes.shape[1]
    named = votes.argmax(1)
    confusion = torch.bincount(labels * classes + named, minlength=classes * classes).view(classes, classes)
    counts = confusion.sum(1)
    recalls = confusion.diagonal()[counts > 0].double() / counts[counts > 0]
    return Scores(
        top1=(named == labels).double().mean().item(),
        top5=_top(votes, labels) if classes > TOP else None,
        balanced=recalls.mean().item(),
        confusion=confusion,
    )


def _top(votes: Tensor, labels: Tensor) -> float:
    """The share of rows whose class has fewer than five others before it; of equal votes the lower class is first."""
    own = votes.gather(1, labels[:, None])
    lower = torch.arange(votes.shape[1]) < labels[:, None]
    before = ((votes > own) | ((votes == own) & lower)).sum(1)
    return (before < TOP).double().mean().item()


def mean_and_spread(values: Sequence[float]) -> dict[str, Any]:
    """The mean of some values, their standard deviation (divisor n - 1; None for one), and the values.

    >>> mean_and_spread([0.0, 1.0, 2.0])
    {'mean': 1.0, 'spread': 1.0, 'values': [0.0, 1.0, 2.0]}
    """
    mean = sum(values) / len(values)
    spread = None
    if len(values) > 1:
        spread = math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return {"mean": mean, "spread": spread, "values": [*values]}
