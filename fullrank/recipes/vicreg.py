"""VICReg: keep the variance of every dimension, remove the covariance between them.

    fullrank train vicreg --data fashion-mnist

Bardes, Ponce & LeCun, ICLR 2022. The weights 25, 25, 1 are the authors'; network and optimizer are ours, chosen
for two CPU cores.

Cost: 1.9 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.876, linear 0.895, relative spread
0.95, effective rank 19 of 256 (docs/results/fashion-mnist/vicreg-4.json).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms


@dataclass(frozen=True, kw_only=True)
class VICReg(Recipe):
    """Variance, invariance, covariance."""

    family: ClassVar[Family] = "decorrelation"
    invariance: float = 25.0
    """Weight of the distance between views."""
    variance: float = 25.0
    """Weight of the hinge on every dimension's standard deviation."""
    covariance: float = 1.0
    """Weight of the squared covariances between dimensions."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """VICReg of the embeddings."""
        from fullrank.losses import vicreg

        return partial(vicreg, invariance=self.invariance, variance=self.variance, covariance=self.covariance)
