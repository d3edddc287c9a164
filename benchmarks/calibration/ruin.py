"""What is done to healthy embeddings, in grades; which grades must be found was written down before any was judged.

"must": called degraded or collapsed, whatever the embeddings were. "name": rows that are left out, so that the verdict
is that of the others: the report must name them. "may": too mild, or a matter of what they are for: either is right.
"harmless": what was not called before must not be called after it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Generator, Tensor

from fullrank.metrics import rankme

from .source import Source, seed_of

Duty = Literal["must", "name", "may", "harmless"]
_WIDE = 400  # dimensions above which a source gets every third ruin: each costs seconds


@dataclass(frozen=True)
class Ruin:
    """One grade of one kind of ruin: rows (N, D) and a generator to rows.

    kinds: what may be said of it, or must be named. unless: profiles under which it is a note, so that it only may be
    found.
    """

    name: str
    grade: str
    duty: Duty
    kinds: tuple[str | None, ...]
    change: Callable[[Tensor, Generator], Tensor]
    unless: tuple[str, ...] = ()

    def duty_under(self, profile: str) -> Duty:
        """What must be said of it under a profile."""
        return "may" if profile in self.unless else self.duty


def _size(z: Tensor) -> Tensor:
    """The root mean square distance of the rows to their mean."""
    size: Tensor = (z - z.mean(0)).square().sum(1).mean().sqrt()
    return size


def _like(z: Tensor, random: Generator) -> Tensor:
    """Noise of the size of the spread, the same in all directions."""
    noise: Tensor = torch.randn(z.shape, generator=random) * _size(z) / z.shape[1] ** 0.5
    return noise


def _direction(z: Tensor, random: Generator) -> Tensor:
    direction = torch.randn(z.shape[1], generator=random)
    unit: Tensor = direction / direction.norm()
    return unit


def _cut(z: Tensor, random: Generator, *, part: float | None, noise: float = 0.0) -> Tensor:
    """Only the first directions stay: this part of the centered RankMe of them, or one."""
    mean = z.mean(0)
    left, values, right = torch.linalg.svd(z - mean, full_matrices=False)
    kept = 1 if part is None else max(round(float(rankme(z - mean)) * part), 1)
    lower: Tensor = mean + left[:, :kept] * values[:kept] @ right[:kept]
    return lower + noise * _like(z, random)


def _lean(z: Tensor, random: Generator, *, spread: float) -> Tensor:
    """Rows shrink around one common vector until their relative spread is this."""
    mean = z.mean(0)
    center: Tensor = _direction(z, random) * _size(z) * (1 / spread**2 - 1) ** 0.5
    return z - mean + center


def _cluster(z: Tensor, random: Generator, *, left: float) -> Tensor:
    """Every row keeps this part of its way to the nearest of 12 rows."""
    centers = z[torch.randperm(len(z), generator=random)[:12]]
    nearest = centers[torch.cdist(z, centers).argmin(1)]
    return nearest + left * (z - nearest) + 1e-3 * left * _like(z, random)


def _dead(z: Tensor, random: Generator, *, part: float) -> Tensor:
    z = z.clone()
    z[:, torch.randperm(z.shape[1], generator=random)[: max(round(part * z.shape[1]), 1)]] = 0
    return z


def _copied(z: Tensor, random: Generator, *, part: float) -> Tensor:
    """Dimensions that repeat one of 4 others."""
    z, order = z.clone(), torch.randperm(z.shape[1], generator=random)
    for place in range(max(round(part * z.shape[1]), 1)):
        z[:, order[place]] = z[:, order[-1 - place % 4]]
    return z


def _repeated(z: Tensor, random: Generator, *, part: float) -> Tensor:
    z, order = z.clone(), torch.randperm(len(z), generator=random)
    count = max(round(part * len(z)), 1)
    z[order[:count]] = z[order[count : 2 * count]]
    return z


def _row(z: Tensor, random: Generator, *, times: float) -> Tensor:
    z = z.clone()
    chosen = int(torch.randint(len(z), (1,), generator=random))
    z[chosen] = _direction(z, random) * z.norm(dim=1).mean() * times
    return z


def _zeros(z: Tensor, random: Generator, *, part: float) -> Tensor:
    z = z.clone()
    z[torch.randperm(len(z), generator=random)[: max(round(part * len(z)), 1)]] = 0
    return z


def _rogue(z: Tensor, random: Generator, *, times: float) -> Tensor:
    """One dimension with this many times the variance of all others together."""
    z = z.clone()
    chosen = int(torch.randint(z.shape[1], (1,), generator=random))
    z[:, chosen] = torch.randn(len(z), generator=random) * times**0.5 * _size(z)
    return z


def _gap(z: Tensor, random: Generator, *, apart: float) -> Tensor:
    """Half of the rows, moved by this many times the spread."""
    side = (torch.randperm(len(z), generator=random) < len(z) // 2).float()[:, None]
    return z + side * apart * _size(z) * _direction(z, random)


def _codes(z: Tensor, random: Generator, *, even: bool) -> Tensor:
    """Every row becomes one of 64 rows; evenly the nearest, else in 97 of 100 cases the first."""
    centers = z[torch.randperm(len(z), generator=random)[:64]]
    nearest = torch.cdist(z, centers).argmin(1)
    return centers[nearest if even else nearest * (torch.rand(len(z), generator=random) > 0.97)]


def _shuffled(z: Tensor, random: Generator) -> Tensor:
    """Every dimension keeps its values and loses what they belong to."""
    return torch.stack([column[torch.randperm(len(z), generator=random)] for column in z.T], dim=1)


def _half(z: Tensor, random: Generator) -> Tensor:
    """Times 50, to 16 bits, in another order."""
    return (z / _size(z) * 50).half().float()[torch.randperm(len(z), generator=random)]


_LOW, _TIGHT, _POINT = ("dimensional",), ("cluster",), ("complete",)
_HEAD = ("head-dominated", "dimensional")
_COPIES = ("duplicates", "cluster", "complete")
_ROWS = ("single rows", "duplicates")
RUINS: tuple[Ruin, ...] = (
    Ruin("harmless", "16 bits", "harmless", (), _half),
    Ruin("directions", "1/2 of the rank", "may", _LOW, partial(_cut, part=0.5)),
    Ruin("directions", "1/8 of the rank", "must", _LOW, partial(_cut, part=0.125)),
    Ruin("directions", "1/8, 1 % noise", "must", _LOW, partial(_cut, part=0.125, noise=0.01)),
    Ruin("directions", "1/8, 5 % noise", "must", _LOW, partial(_cut, part=0.125, noise=0.05)),
    Ruin("directions", "one", "must", (*_LOW, "complete"), partial(_cut, part=None)),
    Ruin("directions", "one, 1 % noise", "must", (*_LOW, *_HEAD), partial(_cut, part=None, noise=0.01)),
    Ruin("cone", "spread 70 % of the norm", "may", ("cone",), partial(_lean, spread=0.7)),
    Ruin("cone", "spread 22 %", "must", ("cone",), partial(_lean, spread=0.22), ("text", "bio", "clip")),
    Ruin("point", "spread 5 %", "must", (*_POINT, "cone"), partial(_lean, spread=0.05)),
    Ruin("point", "spread 0.5 %", "must", _POINT, partial(_lean, spread=0.005)),
    Ruin("clusters", "half way", "may", _TIGHT, partial(_cluster, left=0.5)),
    Ruin("clusters", "9 of 10 parts", "may", _TIGHT, partial(_cluster, left=0.1)),
    Ruin("clusters", "97 of 100 parts", "must", _TIGHT, partial(_cluster, left=0.03), ("supervised",)),
    Ruin("dead dimensions", "3 %", "may", _LOW, partial(_dead, part=0.03)),
    Ruin("dead dimensions", "30 %", "must", _LOW, partial(_dead, part=0.3)),
    Ruin("copied dimensions", "3 %", "may", _LOW, partial(_copied, part=0.03)),
    Ruin("copied dimensions", "40 %", "must", _LOW, partial(_copied, part=0.4)),
    Ruin("repeated rows", "1 %", "may", _COPIES, partial(_repeated, part=0.01)),
    Ruin("repeated rows", "30 %", "must", _COPIES, partial(_repeated, part=0.3), ("recsys",)),
    Ruin("one row", "5 times", "may", _ROWS, partial(_row, times=5)),
    Ruin("one row", "1,000 times", "must", _ROWS, partial(_row, times=1000)),
    Ruin("rows of zeros", "0.2 %", "may", _ROWS, partial(_zeros, part=0.002)),
    Ruin("rows of zeros", "2 %", "name", ("single rows",), partial(_zeros, part=0.02)),
    Ruin("rogue dimension", "1/2 of the variance", "may", _HEAD, partial(_rogue, times=1)),
    Ruin("rogue dimension", "30/31 of the variance", "must", _HEAD, partial(_rogue, times=30), ("clip",)),
    Ruin("two groups", "1 spread apart", "may", ("modality gap",), partial(_gap, apart=1)),
    Ruin("two groups", "5 spreads apart", "must", ("modality gap",), partial(_gap, apart=5), ("clip",)),
    Ruin("codebook", "64, even", "may", _COPIES, partial(_codes, even=True)),
    Ruin("codebook", "64, one used", "must", _COPIES, partial(_codes, even=False)),
    Ruin("shuffled columns", "all", "may", (), _shuffled),
)


def ruins_for(source: Source, dims: int) -> list[Ruin]:
    """Of a healthy source all that must be found and a third of the others, by name; of a wide one a third of all."""
    if source.expected != "healthy":
        return []
    kept = []
    for ruin in RUINS:
        third = seed_of(source.name, ruin.name, ruin.grade) % 3 == 0
        if third or ruin.duty == "harmless" or (ruin.duty in ("must", "name") and dims <= _WIDE):
            kept.append(ruin)
    return kept
