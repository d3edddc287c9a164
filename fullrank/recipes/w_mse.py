"""W-MSE: whiten each view, then pull the views together.

    fullrank train w_mse --data fashion-mnist

Ermolov et al., ICML 2021. Whitening by Cholesky is the authors'. A covariance of D features needs more than D
samples, so the embedding has 64 dimensions, and a batch of 256 is whitened in two random halves of 128. Network and
optimizer are ours, chosen for two CPU cores.

Cost: 2.6 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.867, linear 0.892, relative spread
0.90, effective rank 12 of 64 (docs/results/fashion-mnist/w_mse-4.json).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms


@dataclass(frozen=True, kw_only=True)
class WMSE(Recipe):
    """Whitening and mean squared error."""

    family: ClassVar[Family] = "whitening"
    projector: tuple[int, ...] = (512, 64)
    """Widths of the projector's layers, the last one is the embedding's."""
    size: int = 128
    """Samples whitened together; at least twice the embedding's width."""
    iterations: int = 1
    """Random divisions into such sub-batches that are averaged."""
    whitening: Literal["cholesky", "zca"] = "cholesky"
    """zca keeps as close to the embedding as a whitening can."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """W-MSE of the embeddings."""
        from fullrank.losses import w_mse

        return partial(w_mse, size=self.size, iterations=self.iterations, whitening=self.whitening)
