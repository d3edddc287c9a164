"""Matrix-SSL: MEC, and the cross-entropy of the views' covariance with the identity.

    fullrank train matrix_ssl --data fashion-mnist

Zhang et al., 2023. The form of the cross-entropy, its weight and its ridge are the authors'; the exact logarithm
for their series of order 4, and the eps of MEC, are ours. Network and optimizer are ours, chosen for two CPU cores.

Cost: 2.7 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.870, linear 0.894, relative spread
0.98, effective rank 28 of 256 (docs/results/fashion-mnist/matrix_ssl-4.json).
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
class MatrixSSL(Recipe):
    """Matrix uniformity and matrix alignment."""

    family: ClassVar[Family] = "volume of the covariance"
    eps: float = 1 / 32
    """Distortion of MEC's code, per dimension."""
    cross_entropy: float = 1.0
    """Weight of the matrix cross-entropy."""
    ridge: float = 0.5
    """Added to the diagonal of the covariance of the views."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """Matrix-SSL of the embeddings."""
        from fullrank.losses import matrix_ssl

        return partial(matrix_ssl, eps=self.eps, cross_entropy=self.cross_entropy, ridge=self.ridge)
