"""Sets that differ in one step get verdicts that fit together."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import fullrank
from fullrank.stats import normalize
from tests.metrics.clouds import gaussian, low_rank

N, DIMS = 1000, 64


def loose_clusters(count: int, noise: float) -> Tensor:
    centers = normalize(gaussian(count, DIMS, 100))
    return centers[torch.arange(N) % count] + noise * gaussian(N, DIMS, 0) / math.sqrt(DIMS)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 8, 12])
def test_loose_clusters_are_clusters_whatever_their_number(count: int) -> None:
    seen = fullrank.diagnose(loose_clusters(count, 0.2))  # their centers span few directions above the noise
    assert (seen.verdict, seen.kind) == ("degraded", "cluster")


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 5, 6])
def test_fewer_directions_with_noise_are_no_milder_than_more(rank: int) -> None:
    z = low_rank(rank, N, DIMS, 0)
    noisy = z + 0.1 * z.square().sum(1).mean().sqrt() * gaussian(N, DIMS, 1) / math.sqrt(DIMS)
    seen = fullrank.diagnose(noisy)
    assert (seen.verdict, seen.kind) == ("collapsed", "dimensional")


def test_few_directions_that_tell_the_classes_apart_are_enough() -> None:
    labels = torch.arange(N) % 16
    angle = labels * (2 * math.pi / 16)
    circle = torch.stack([angle.cos(), angle.sin()], 1)
    plane = torch.cat([circle + 0.03 * gaussian(N, 2), 0.001 * gaussian(N, DIMS - 2)], 1)
    found = {one.rule for one in fullrank.diagnose(plane, labels=labels, profile="supervised").findings}
    assert "fewer directions than classes" not in found
    line = plane * (torch.arange(DIMS) != 1)  # classes on both sides of the circle meet
    found = {one.rule for one in fullrank.diagnose(line, labels=labels, profile="supervised").findings}
    assert "fewer directions than classes" in found
