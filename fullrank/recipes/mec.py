"""MEC: the shortest code that can hold all embeddings should be long.

    fullrank train mec --data fashion-mnist

Liu et al., NeurIPS 2022. eps is the authors'; they put the loss between a predictor and a moving-average teacher
and take --order 4, we take two views of one encoder and the exact determinant. Network and optimizer are ours,
chosen for two CPU cores.

Cost: 1.9 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.874, linear 0.895, relative spread
0.98, effective rank 28 of 256 (docs/results/fashion-mnist/mec-4.json).
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
class MEC(Recipe):
    """Maximum entropy coding."""

    family: ClassVar[Family] = "volume of the covariance"
    eps: float = 1 / 32
    """Distortion of the code, per dimension."""
    order: int | None = None
    """Terms of the series of the logarithm; by default its exact value."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """MEC of the embeddings."""
        from fullrank.losses import mec

        return partial(mec, eps=self.eps, order=self.order)
