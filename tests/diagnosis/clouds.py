"""Clouds of known health in any size: what the judge must say of each, and where the rows are too few to say it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fullrank.stats import normalize
from tests.metrics.clouds import gaussian, low_rank, offset, power_law

Cloud = Callable[[int, int, int], Tensor]  # samples, dimensions, seed -> (N, D) or (V, N, D)
APART = 1000  # seed of a common direction; with that of the cloud it would be the cloud's first row


@dataclass(frozen=True)
class Case:
    """A cloud and the kind that is right, "healthy" for none; `few`: what is right too where N < D."""

    name: str
    cloud: Cloud
    kind: str
    few: str | None = None
    profile: str = "generic"

    def right(self, n: int, dims: int) -> tuple[str, ...]:
        """The answers that are right."""
        return (self.kind, self.few) if self.few is not None and n < dims else (self.kind,)


def relu(n: int, d: int, seed: int) -> Tensor:
    return gaussian(n, d, seed).clamp_min(0.0)


def relu_decaying(n: int, d: int, seed: int) -> Tensor:
    """Non-negative features with a spectrum that decays, as those of a backbone."""
    return (power_law(0.5, n, d, seed) * math.sqrt(d)).clamp_min(0.0)


def one_direction(n: int, d: int, seed: int) -> Tensor:
    """All of one direction, with lengths from 0.5 to 1.5."""
    lengths = 0.5 + torch.rand(n, 1, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return lengths * normalize(gaussian(1, d, APART)) + 1e-3 * gaussian(n, d, seed) / math.sqrt(d)


def half_dead(n: int, d: int, seed: int) -> Tensor:
    return gaussian(n, d, seed) * (torch.arange(d) < d // 2)


def copied_dimensions(n: int, d: int, seed: int) -> Tensor:
    return gaussian(n, d // 2, seed).repeat(1, 2)


def clusters(count: int) -> Cloud:
    """Corners of length 1 with noise of 2 %, all alike in size."""

    def cloud(n: int, d: int, seed: int) -> Tensor:
        corners = normalize(gaussian(count, d, seed + 100))
        return corners[torch.arange(n) % count] + 0.02 * gaussian(n, d, seed) / math.sqrt(d)

    return cloud


def repeated_rows(share: float) -> Cloud:
    """Rows of which so many are copies of another."""

    def cloud(n: int, d: int, seed: int) -> Tensor:
        z = power_law(0.5, n, d, seed)
        copies = int(share * n)
        z[:copies] = z[copies : 2 * copies]
        return z[torch.randperm(n, generator=torch.Generator().manual_seed(seed))]

    return cloud


def empty_inputs(of: int) -> Cloud:
    """One of so many rows is the same, as that of an empty text."""

    def cloud(n: int, d: int, seed: int) -> Tensor:
        z = gaussian(n, d, seed)
        z[::of] = z[0].clone()
        return z

    return cloud


def rogue(factor: float, count: int) -> Cloud:
    def cloud(n: int, d: int, seed: int) -> Tensor:
        z = gaussian(n, d, seed)
        z[:, :count] *= factor
        return z

    return cloud


def hubs(n: int, d: int, seed: int) -> Tensor:
    """Lengths of very different size around a small common mean: short rows are everybody's neighbors."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.exp(0.8 * torch.randn(n, 1, generator=generator, dtype=torch.float64))
    return 0.6 * normalize(gaussian(1, d, APART)) + lengths * gaussian(n, d, seed) / math.sqrt(d)


def two_groups(n: int, d: int, seed: int) -> Tensor:
    """Two modalities in one array: half of the rows on either side of the origin."""
    side = torch.where(torch.arange(n) % 2 == 0, 1.0, -1.0).double()[:, None]
    return gaussian(n, d, seed) / math.sqrt(d) + 0.5 * side * normalize(gaussian(1, d, APART))


def two_modalities(n: int, d: int, seed: int) -> Tensor:
    """Two modalities (2, N, D) of the same samples in two cones: the cones' own directions hide the matches."""
    shared = gaussian(n, d, seed) / math.sqrt(d)
    noise = 0.5 * gaussian(2 * n, d, seed + 1).view(2, n, d) / math.sqrt(d)
    lengths = torch.exp(0.5 * gaussian(2 * n, 1, seed + 2)).view(2, n, 1)
    return lengths * (shared + noise) + 2 * normalize(gaussian(2, d, APART))[:, None]


CASES = (
    Case("isotropic", gaussian, "healthy"),
    Case("power law 1/j", lambda n, d, seed: power_law(1.0, n, d, seed), "healthy", few="undetermined"),
    Case("ReLU features", relu, "healthy"),
    Case("ReLU features, decaying", relu_decaying, "healthy"),
    Case("point with noise", lambda n, d, seed: offset(1e-3, n, d, seed), "complete"),
    Case("constant", lambda n, d, seed: offset(0.0, n, d, seed), "complete"),
    Case("zeros", lambda n, d, seed: torch.zeros(n, d), "complete"),
    Case("one direction", one_direction, "complete"),
    Case("rank 8", lambda n, d, seed: low_rank(8, n, d, seed), "dimensional"),
    Case("rank 16", lambda n, d, seed: low_rank(16, n, d, seed), "dimensional"),
    Case("rank D/8", lambda n, d, seed: low_rank(d // 8, n, d, seed), "dimensional", few="undetermined"),
    Case("power law 1/j^1.5", lambda n, d, seed: power_law(1.5, n, d, seed), "healthy", few="undetermined"),
    Case("power law 1/j^2", lambda n, d, seed: power_law(2.0, n, d, seed), "undetermined"),  # as of photographs
    Case("power law 1/j^3", lambda n, d, seed: power_law(3.0, n, d, seed), "dimensional"),
    Case("half of the dimensions dead", half_dead, "dimensional"),
    Case("half of the dimensions copied", copied_dimensions, "dimensional"),
    Case("10 clusters", clusters(10), "cluster"),
    Case("4 clusters", clusters(4), "cluster"),
    Case("cone, cosine 0.95", lambda n, d, seed: offset(math.sqrt(0.05), n, d, seed), "cone"),
    Case("cone, cosine 0.7", lambda n, d, seed: offset(math.sqrt(0.3), n, d, seed), "healthy"),  # a note
    Case("5 % of the rows repeated", repeated_rows(0.05), "healthy"),
    Case("30 % of the rows repeated", repeated_rows(0.3), "undetermined"),  # only the inputs can tell
    Case("10 % of the rows constant", empty_inputs(10), "healthy", few="undetermined"),  # a note
    Case("a third of the rows constant", empty_inputs(3), "duplicates"),
    Case("rogue dimension x 30", rogue(30.0, 1), "head-dominated"),
    Case("3 rogue dimensions x 30", rogue(30.0, 3), "head-dominated"),
    Case("rogue dimension x 10,000", rogue(1e4, 1), "head-dominated"),
    Case("hubs", hubs, "hubs"),
    Case("two groups", two_groups, "modality gap"),
    Case("two modalities", two_modalities, "modality gap", profile="clip"),
)
