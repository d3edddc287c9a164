"""One score: its parts, and chance."""

from __future__ import annotations

import pytest
import torch

from fullrank.evaluation import knn_accuracy, linear_probe, score


def test_a_score_is_its_parts() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (160,), generator=generator)
    x = torch.eye(3)[labels] + 0.5 * torch.randn(160, 3, generator=generator)
    parts = (x[:100], labels[:100], x[100:], labels[100:])
    shares: list[float] = []
    result = score(*parts, seed=1, k=5, temperature=0.5, progress=shares.append)
    assert result.knn == knn_accuracy(*parts, k=5, temperature=0.5)
    assert result.linear == linear_probe(*parts, seed=1)
    assert result.linear.test_accuracy > 0.75
    assert shares[-1] == 1.0


def test_chance_names_the_commonest_training_class() -> None:
    labels = torch.tensor([0, 1, 1, 1, 0])
    x = torch.ones(5, 4)  # collapsed: the probe knows no more than that
    result = score(x, labels, x[:4], torch.tensor([0, 0, 0, 1]), seed=0)
    assert result.chance == 0.25
    assert result.linear.test_accuracy == pytest.approx(result.chance)
