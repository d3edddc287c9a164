"""The control that collapses: views of one image attract each other, and nothing keeps images apart.

    fullrank train invariance --data fashion-mnist

There is no paper to this: it is what every method of joint embedding must avoid, and what FullRank's numbers must
show. Its optimum is one point.

Cost: 2.4 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.778, linear 0.858, relative spread
0.39, effective rank 1 of 256 (docs/results/fashion-mnist/invariance-4.json).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms


@dataclass(frozen=True, kw_only=True)
class Invariance(Recipe):
    """Alignment alone."""

    family: ClassVar[Family] = "control"

    def objective(self) -> Callable[[Tensor], Terms]:
        """The mean squared distance between the normalized views."""
        from fullrank.losses import alignment

        return alignment
