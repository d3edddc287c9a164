"""One score for one encoder: neighbors, a linear probe, and what knowing nothing would reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from fullrank.evaluation.frozen.knn import knn_accuracy
from fullrank.evaluation.frozen.linear import LinearResult, linear_probe


@dataclass(frozen=True)
class Score:
    """Accuracies in [0, 1] on the test set.

    Attributes:
        knn: Of neighbors that vote.
        linear: Of the linear probe.
        chance: Of always naming the commonest training class.
    """

    knn: float
    linear: LinearResult
    chance: float


def score(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    seed: int,
    k: int = 20,
    temperature: float = 0.07,
    progress: Callable[[float], None] | None = None,
) -> Score:
    """Score frozen features: `knn_accuracy` and `linear_probe` of train (N, F) on test (M, F).

    The test labels only count hits: nothing is fitted to them or chosen by them.

    Args:
        train_features, train_labels: Features (N, F) to learn from, and their classes (N,).
        test_features, test_labels: Features (M, F) to score, and their classes (M,).
        seed: Draws the fifth that chooses the probe's penalty.
        k, temperature: As for `knn_predict`.
        progress: Called with the share done, in [0, 1].

    Raises:
        UserError: As for `linear_probe`.

    >>> import torch
    >>> x, y = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]]), torch.tensor([0, 0, 1, 1])
    >>> result = score(x, y, torch.tensor([[-3.0], [3.0]]), torch.tensor([0, 1]), seed=0)
    >>> result.knn, result.linear.test_accuracy, result.chance
    (1.0, 1.0, 0.5)
    """
    linear = linear_probe(train_features, train_labels, test_features, test_labels, seed=seed, progress=progress)
    knn = knn_accuracy(train_features, train_labels, test_features, test_labels, k=k, temperature=temperature)
    classes, counts = train_labels.unique(return_counts=True)
    return Score(
        knn=knn,
        linear=linear,
        chance=(test_labels == classes[counts.argmax()]).double().mean().item(),
    )
