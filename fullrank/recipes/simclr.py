"""SimCLR: every view finds its other view among all images of the batch.

    fullrank train simclr --data fashion-mnist

Chen et al., ICML 2020. The objective is the authors' (2N - 2 negatives); temperature, network and optimizer are
ours, chosen for two CPU cores.

Cost: 1.9 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.875, linear 0.893, relative spread
1.00, effective rank 17 of 256 (docs/results/fashion-mnist/simclr-4.json).
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
class SimCLR(Recipe):
    """Normalized temperature-scaled cross-entropy."""

    family: ClassVar[Family] = "contrastive"
    temperature: float = 0.2
    """Divides the cosines before the softmax."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """NT-Xent of the embeddings."""
        from fullrank.losses import nt_xent

        return partial(nt_xent, temperature=self.temperature)
