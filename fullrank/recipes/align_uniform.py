"""AlignUniform: pull views together, push all images apart on the sphere by a Gaussian potential.

    fullrank train align_uniform --data fashion-mnist

Wang & Isola, ICML 2020. Weights 1 and 1, alpha = 2 and t = 2 are the defaults of the authors' example; network and
optimizer are ours, chosen for two CPU cores.

Cost: 2.1 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.878, linear 0.895, relative spread
1.00, effective rank 33 of 256 (docs/results/fashion-mnist/align_uniform-4.json).
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
class AlignUniform(Recipe):
    """Alignment and uniformity."""

    family: ClassVar[Family] = "contrastive"
    align: float = 1.0
    """Weight of the distance between views."""
    spread: float = 1.0
    """Weight of the uniformity."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """The weighted sum of both."""
        from fullrank.losses import alignment, combine, uniformity
        from fullrank.losses.terms import WEIGHT

        for name, weight in (("align", self.align), ("spread", self.spread)):
            WEIGHT.check("align_uniform", name, weight)
        return lambda z: combine(
            {
                "alignment": (self.align, alignment(z)["loss"]),
                "uniformity": (self.spread, uniformity(z)["loss"]),
            }
        )
