"""The embeddings on which the contract tries a metric: collapsed by grades, at the edges of what is possible."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

import torch
from torch import Tensor

from fullrank.metrics import Collapse
from fullrank.stats import normalize
from fullrank.testing.clouds import noise

ROWS, DIMS = 256, 64
GRADES = 4  # none, and three that get worse


@cache
def rows(n: int = ROWS, d: int = DIMS, seed: int = 0) -> Tensor:
    """Standard normal numbers (n, d)."""
    return noise(n, d, seed=seed)


@cache
def rotation(d: int = DIMS) -> Tensor:
    """A random rotation (d, d)."""
    q: Tensor = torch.linalg.qr(rows(d, d, seed=1)).Q
    return q


def complete(grade: int) -> Tensor:
    """Spread, then within 0.1, 0.01 and 0.001 of one point."""
    return rows() * 10.0 ** (-grade) + (grade > 0) * rows(1, seed=2)


def cone(grade: int) -> Tensor:
    """Around the origin, then 1, 2 and 4 times its size away from it."""
    direction = normalize(rows(1, seed=2))
    return rows() + [0, 1, 2, 4][grade] * math.sqrt(DIMS) * direction


def dimensional(grade: int) -> Tensor:
    """Rank 64, 32, 16, 8, in directions that are not axes, over a faint noise."""
    rank = DIMS >> grade
    return rows()[:, :rank] @ rotation()[:rank] * math.sqrt(DIMS / rank) + 0.01 * rows(seed=3)


def cluster(grade: int) -> Tensor:
    """No clusters, then 32, 16, 8 of equal size at the corners of a centered simplex."""
    if grade == 0:
        return rows()
    k = DIMS >> grade
    corners = (torch.eye(k, DIMS, dtype=torch.float64) - torch.eye(k, DIMS).mean(0)) @ rotation()
    return normalize(corners)[torch.arange(ROWS) % k] * math.sqrt(DIMS) + 0.05 * rows()


def dead(grade: int) -> Tensor:
    """64, 32, 16 and 8 dimensions that vary."""
    return rows() * (torch.arange(DIMS) < DIMS >> grade)


def duplicate(grade: int) -> Tensor:
    """64 dimensions, then 32 twice, 16 four times and 8 eight times."""
    return rows()[:, : DIMS >> grade].repeat(1, 1 << grade)


COLLAPSES: Mapping[Collapse, Callable[[int], Tensor]] = {
    "complete": complete,
    "cone": cone,
    "dimensional": dimensional,
    "cluster": cluster,
    "dead": dead,
    "duplicate": duplicate,
}


def edges() -> dict[str, Tensor]:
    """Embeddings on which a careless formula gives NaN, by what they are."""
    one = rows(1, DIMS)
    return {
        "a constant": one.float().expand(ROWS, DIMS),
        "zeros": torch.zeros(ROWS, DIMS),
        "one row": one,
        "one row of zeros": torch.zeros(1, DIMS),
        "two rows": rows(2),
        "fewer rows than dimensions": rows(8),
        "as many rows as dimensions": rows(DIMS),
        "one dimension": rows(ROWS, 1),
        "rows of which half are zeros": rows() * (torch.arange(ROWS) % 2)[:, None],
        "huge rows": rows().float() * 1e30,
        "tiny rows": rows().float() * 1e-37,
        "huge rows of float64": rows() * 1e300,
        "tiny rows of float64": rows() * 1e-300,
        "rows of all sizes": rows() * 10.0 ** torch.linspace(-150, 150, ROWS)[:, None].double(),
        "rows far from the origin": rows().float() + 1e6,
        "float16": rows().half(),
        "bfloat16": rows().bfloat16(),
        "integers": (10 * rows()).int(),
    }


def points() -> list[Tensor]:
    """One point, wherever it is and whatever arithmetic it went through."""
    one = rows(1).expand(ROWS, DIMS)
    return [torch.full((ROWS, DIMS), 0.1), one, one * 1e-30, torch.zeros(ROWS, DIMS)]
