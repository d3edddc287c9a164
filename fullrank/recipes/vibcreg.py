"""VIbCReg: VICReg of whitened views, with correlations in the place of covariances.

    fullrank train vibcreg --data fashion-mnist

Lee & Aune, 2021. Where the whitening stands, the weights and the 5 iterations are ours. Whitening D features needs
more than D samples, so the embedding has 64 dimensions. Network and optimizer are ours, chosen for two CPU cores.

Cost: 22.7 minutes for 4 epochs of Fashion-MNIST on one CPU core that ten other processes shared. Result: kNN 0.871,
linear 0.895, relative spread 0.94, effective rank 58 of 64 (docs/results/fashion-mnist/vibcreg-4.json).
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
class VIbCReg(Recipe):
    """Variance, invariance, better covariance."""

    family: ClassVar[Family] = "decorrelation"
    projector: tuple[int, ...] = (512, 64)
    """Widths of the projector's layers, the last one is the embedding's."""
    invariance: float = 25.0
    """Weight of the distance between views."""
    variance: float = 25.0
    """Weight of the hinge on every dimension's standard deviation."""
    covariance: float = 200.0
    """Weight of the mean squared correlation between dimensions."""
    iterations: int = 5
    """Newton steps of the whitening."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """VIbCReg of the embeddings."""
        from fullrank.losses import vibcreg

        return partial(
            vibcreg,
            invariance=self.invariance,
            variance=self.variance,
            covariance=self.covariance,
            iterations=self.iterations,
        )
