"""Spectral transformation: change the spectrum of each view, then pull the views together.

    fullrank train spectral --data fashion-mnist

Weng et al., ICLR 2024: eigenvalues l of each view's covariance become l g(l)^2. The default is INTL along the
features without its trace loss, and shows what that is for: no member sees much of the embedding's own spectrum,
which falls to an effective rank of 1.9 of 64 (zca 3.1, cholesky 3.2, power 0.45 1.2; intl keeps 102 of 256). newton
is the default because kNN of training images was best with it: 0.818, cholesky 0.802, zca 0.786, power 0.776. The
embedding has 64 dimensions, so that the batch of 256 has four samples for each. Network and optimizer are ours,
chosen for two CPU cores. The paper trains no member of the family but INTL at scale, so that there are no presets.

Cost: 2.3 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.857, linear 0.884, relative spread
0.98, effective rank 2 of 64 (docs/results/fashion-mnist/spectral-4.json).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

from fullrank.engine.options import ActsWith
from fullrank.errors import UserError
from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms


@dataclass(frozen=True, kw_only=True)
class Spectral(Recipe):
    """The family that whitening belongs to."""

    family: ClassVar[Family] = "whitening"
    acts_with: ClassVar[ActsWith] = {
        **Recipe.acts_with,
        "power": {"transform": "power"},
        "iterations": {"transform": "newton"},
    }
    projector: tuple[int, ...] = (512, 64)
    """Widths of the projector's layers, the last one is the embedding's."""
    transform: Literal["power", "zca", "pca", "cholesky", "newton", "identity"] = "newton"
    """zca is the power 1/2, pca the same turned to principal components; identity is 0, newton INTL without trace."""
    power: float = 0.45
    """p of the member power, l^-p."""
    iterations: int = 4
    """Newton steps of newton."""
    axis: Literal["batch", "channel"] = "batch"
    """batch acts on the features (D x D), channel on the samples (N x N); not with pca and cholesky."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """The mean squared difference of the transformed, normalized views."""
        from fullrank import stats
        from fullrank.losses import intl, spectral_transformation, w_mse

        if self.axis == "channel" and self.transform in ("pca", "cholesky"):
            raise UserError(f"--transform {self.transform} acts on the features only: leave out --axis channel.")
        if self.transform == "newton":
            return partial(intl, axis=self.axis, iterations=self.iterations, beta=0.0)
        if self.transform == "cholesky":
            return w_mse
        power = {"power": self.power, "zca": 0.5, "pca": 0.5, "identity": 0.0}[self.transform]
        components = self.transform == "pca"
        return partial(spectral_transformation, g=stats.power(power), axis=self.axis, components=components)
