"""CW-RGP: whiten the samples of each view in random groups of features, then pull the views together.

    fullrank train cw_rgp --data fashion-mnist

Weng et al., NeurIPS 2022. 512 features in 4 groups, sub-batches of 64 samples of a batch of 256, and one hidden layer
are those of the authors' scripts for CIFAR and STL-10, which also take 4 views (`--crops`) or 4 iterations. The hidden
width (theirs: 1024), encoder and optimizer are ours, chosen for two CPU cores.

Cost: 13.1 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.868, linear 0.895, relative spread
0.87, effective rank 26 of 512 (docs/results/fashion-mnist/cw_rgp-4.json).
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
class CWRGP(Recipe):
    """Channel whitening with random group partition."""

    family: ClassVar[Family] = "whitening"
    projector: tuple[int, ...] = (512, 512)
    """Widths of the projector's layers, the last one is the embedding's."""
    size: int = 64
    """Samples whitened together; fewer than a group has features."""
    groups: int = 4
    """Random groups into which the embedding's features are divided."""
    iterations: int = 1
    """Random divisions into sub-batches that are averaged."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """CW-RGP of the embeddings, with new groups at each step."""
        from fullrank.losses import CWRGP

        return CWRGP(size=self.size, groups=self.groups, iterations=self.iterations)
