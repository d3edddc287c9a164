"""Barlow Twins: the cross-correlation of the two views' dimensions becomes the identity.

    fullrank train barlow_twins --data fashion-mnist

Zbontar et al., ICML 2021. The weight 0.0051 is the authors'; network and optimizer are ours, chosen for two CPU
cores.

Cost: 1.8 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.870, linear 0.893, relative spread
0.90, effective rank 16 of 256 (docs/results/fashion-mnist/barlow_twins-4.json).
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
class BarlowTwins(Recipe):
    """Redundancy reduction."""

    family: ClassVar[Family] = "decorrelation"
    off_diagonal: float = 0.0051
    """Weight of the squared correlations between different dimensions."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """Barlow Twins of the embeddings."""
        from fullrank.losses import barlow_twins

        return partial(barlow_twins, off_diagonal=self.off_diagonal)
