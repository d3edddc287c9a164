"""Whether a uniformity metric sees what it should: the five properties of Fang et al. (2024), for any metric."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from fullrank.stats import normalize

_SAME = 1e-5  # relative: well above float32 rounding, well below every change that is tested here


@dataclass(frozen=True)
class Property:
    """One property of a metric, and the two values that show whether it holds.

    Attributes:
        name: The property's name.
        demands: Whether the second value must be the same or worse.
        before: The metric of the embeddings.
        after: The metric of the changed embeddings.
        holds: Whether it is so.
    """

    name: str
    demands: Literal["same", "worse"]
    before: float
    after: float
    holds: bool


@dataclass(frozen=True)
class Properties:
    """What `properties` found about one metric; it prints as a table.

    Attributes:
        metric: The metric's name.
        rows: One for each property.
    """

    metric: str
    rows: tuple[Property, ...]

    @property
    def failed(self) -> tuple[str, ...]:
        """Names of the properties that do not hold."""
        return tuple(row.name for row in self.rows if not row.holds)

    def __str__(self) -> str:
        lines = [f"{self.metric:<22}{'before':>9}{'after':>9}  {'demanded':<10}holds"]
        for row in self.rows:
            holds = "yes" if row.holds else "no"
            lines.append(f"{row.name:<22}{row.before:>9.4f}{row.after:>9.4f}  {row.demands:<10}{holds}")
        return "\n".join(lines)


def properties(metric: Callable[[Tensor], float], *, higher_is_healthier: bool, seed: int = 0) -> Properties:
    """Test a uniformity metric of embeddings (N, D) for the five properties of Fang et al. (2024).

    The metric is called with 64 random rows of length 1 in 16 dimensions, float64, and with a change of them:

    - instance permutation, the rows in another order: the value must stay.
    - instance scaling, each row times its own positive number: it must stay (from an earlier version of the paper; true
      of every metric that normalizes its rows).
    - instance cloning, every row twice: it must stay.
    - feature cloning, every feature twice, (z, z): it must get worse.
    - feature baby, one more feature that is always zero, (z, 0): it must get worse.

    As in the paper, rows are not scaled back to length 1 after a change. A metric that normalizes its rows, like ours,
    does that itself and sees (z, z) / sqrt 2. The value after the change then differs, but not the answer: W2 gets
    worse either way, and Wang-Isola uniformity stays where it is instead of getting better. Zero features do not change
    a length.

    A property that fails is disproved; one that holds does so for this cloud. Values within 1e-5 of each other,
    relative, count as the same; NaN never holds.

    Args:
        metric: Embeddings (N, D) to a number.
        higher_is_healthier: The direction of the metric.
        seed: Draws the rows.

    >>> from fullrank.metrics import uniformity, w2_uniformity
    >>> properties(w2_uniformity, higher_is_healthier=False).failed
    ()
    >>> print(properties(uniformity, higher_is_healthier=False))
    uniformity               before    after  demanded  holds
    instance permutation    -3.0583  -3.0583  same      yes
    instance scaling        -3.0583  -3.0583  same      yes
    instance cloning        -3.0583  -2.9101  same      no
    feature cloning         -3.0583  -3.0583  worse     no
    feature baby            -3.0583  -3.0583  worse     no
    """
    generator = torch.Generator().manual_seed(seed)
    widths = torch.linspace(0.5, 1.5, 16)  # neither centered nor isotropic: no value is reached by accident
    z = normalize((torch.randn(64, 16, generator=generator) * widths + 0.3).double())
    scales = 0.1 + torch.rand(64, 1, generator=generator).double()
    changes: tuple[tuple[str, Literal["same", "worse"], Tensor], ...] = (
        ("instance permutation", "same", z[torch.randperm(64, generator=generator)]),
        ("instance scaling", "same", z * scales),
        ("instance cloning", "same", z.repeat(2, 1)),
        ("feature cloning", "worse", z.repeat(1, 2)),
        ("feature baby", "worse", pad(z, (0, 1))),
    )
    before = float(metric(z))
    rows = []
    for name, demands, changed in changes:
        after = float(metric(changed))
        same = math.isclose(before, after, rel_tol=_SAME, abs_tol=_SAME)
        worse = not same and (after < before if higher_is_healthier else after > before)
        rows.append(Property(name, demands, before, after, same if demands == "same" else worse))
    return Properties(getattr(metric, "__name__", type(metric).__name__), tuple(rows))
