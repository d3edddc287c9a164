"""DCL: SimCLR whose positive is not among the negatives.

    fullrank train dcl --data fashion-mnist

Yeh et al., ECCV 2022. The objective is the authors', with one logarithm over the views of all other samples;
--sigma 0.5 is their DCLW, which weighs hard positives up. The temperature is that of our SimCLR, to compare; theirs
is 0.1. Network and optimizer are ours, chosen for two CPU cores.

Cost: 2.0 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.875, linear 0.888, relative spread
1.00, effective rank 17 of 256 (docs/results/fashion-mnist/dcl-4.json).
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
class DCL(Recipe):
    """Decoupled contrastive learning."""

    family: ClassVar[Family] = "contrastive"
    temperature: float = 0.2
    """Divides the cosines before the softmax."""
    sigma: float | None = None
    """Width of DCLW's weights of the positives; by default they weigh the same."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """DCL or DCLW of the embeddings."""
        from fullrank.losses import dcl

        return partial(dcl, temperature=self.temperature, sigma=self.sigma)
