"""Zero-CL: whiten the samples and the features of each view, and correlate the views.

    fullrank train zero_cl --data fashion-mnist

Zhang et al., ICLR 2022. The weights are ours. Whitening D features needs more than D samples, and whitening N
samples needs more than N features, which cannot both be; the embedding has 64 dimensions, so that the batch of 256
has four samples for each. Network and optimizer are ours, chosen for two CPU cores.

Cost: 1.8 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.867, linear 0.893, relative spread
0.95, effective rank 20 of 64 (docs/results/fashion-mnist/zero_cl-4.json).
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
class ZeroCL(Recipe):
    """ZCA over instances and over features."""

    family: ClassVar[Family] = "whitening"
    projector: tuple[int, ...] = (512, 64)
    """Widths of the projector's layers, the last one is the embedding's."""
    instance: float = 1.0
    """Weight of the correlation after whitening the samples."""
    feature: float = 1.0
    """Weight of the correlation after whitening the features."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """Zero-CL of the embeddings."""
        from fullrank.losses import zero_cl

        return partial(zero_cl, instance=self.instance, feature=self.feature)
