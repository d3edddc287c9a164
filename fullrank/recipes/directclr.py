"""DirectCLR: no projector; contrast the first d0 features of the representation itself.

    fullrank train directclr --data fashion-mnist

Jing et al., ICLR 2022: InfoNCE with temperature 0.1 and the other view's images as negatives, as in the authors' code.
d0 is theirs as a share of the width (360 of 2048). Network and optimiser are ours, chosen for two CPU cores; the
paper wants a backbone that ends in a residual block (any ResNet), through which the rest of the features learns too:
`tiny` has none. `--head` takes the paper's ablations.

Cost: 1.8 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.871, linear 0.884, relative spread
0.90, effective rank 27 of 90 (docs/results/fashion-mnist/directclr-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from fullrank.train import Recipe

if TYPE_CHECKING:
    from fullrank.methods import Method
    from fullrank.nn import Encoder


@dataclass(frozen=True, kw_only=True)
class DirectCLR(Recipe):
    """Contrastive learning on a sub-vector."""

    d0: int | None = None
    """Features that enter the loss; by default 360 of 2048, in proportion."""
    head: Literal["first", "random", "none", "linear", "orthogonal", "diagonal", "low-rank"] = "first"
    """What stands between representation and loss; --projector is not used."""
    temperature: float = 0.1
    """Divides the cosines before the softmax."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder and a head of table 2."""
        from functools import partial

        from fullrank.losses import infonce
        from fullrank.methods import JointEmbedding
        from fullrank.nn import directclr_head

        d0 = self.d0 or max(1, round(encoder.width * 360 / 2048))
        head = directclr_head(self.head, encoder.width, d0, views=len(self.view_sizes(encoder.image_size)))
        return JointEmbedding(encoder, head, partial(infonce, temperature=self.temperature))
