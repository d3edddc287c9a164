"""DirectCLR: no projector; contrast the first d0 features of the representation itself.

    fullrank train directclr --data fashion-mnist

Jing et al., ICLR 2022: InfoNCE with temperature 0.1 and the other view's images as negatives, as in the authors' code.
d0 is theirs as a share of the width (360 of 2048). Network and optimizer are ours, chosen for two CPU cores; the
paper wants a backbone that ends in a residual block (any ResNet), through which the rest of the features learns too:
`tiny` has none. `--head` takes the projectors of its tables, and `group` of the authors' code: all features, shuffled
at every step into 8 groups, and the sum of their losses; each group of unit length by itself, and its number at other
widths than 2048, are ours. `fullrank evaluate` also scores the first d0 features alone.

Cost: 1.8 minutes for 4 epochs of Fashion-MNIST on one CPU core. Result: kNN 0.871, linear 0.884, relative spread
0.90, effective rank 27 of 90 (docs/results/fashion-mnist/directclr-4.json).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from fullrank.engine.options import ActsWith
from fullrank.recipes._recipe import Family, Recipe

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms
    from fullrank.methods import Method
    from fullrank.nn import Encoder

_GROUPS = 8  # the authors' code, for 2048 features


@dataclass(frozen=True, kw_only=True)
class DirectCLR(Recipe):
    """Contrastive learning on a sub-vector."""

    family: ClassVar[Family] = "contrastive"
    acts_with: ClassVar[ActsWith] = {
        **Recipe.acts_with,
        "projector": {},
        "d0": {"head": ("first", "random", "low-rank")},
    }
    d0: int | None = None
    """Features that enter the loss; by default 360 of 2048, in proportion."""
    head: Literal["first", "random", "group", "none", "linear", "mlp", "orthogonal", "diagonal", "low-rank"] = "first"
    """What stands between representation and loss; --projector is not used."""
    temperature: float = 0.1
    """Divides the cosines before the softmax."""

    def build(self, encoder: Encoder) -> Method:
        """Encoder, a head of the paper's tables or of the code, and InfoNCE."""
        from functools import partial

        from fullrank.errors import UserError
        from fullrank.losses import infonce
        from fullrank.methods import JointEmbedding
        from fullrank.nn import directclr_head

        width = encoder.width
        d0 = max(1, round(width * 360 / 2048)) if self.d0 is None else self.d0
        if not 1 <= d0 <= width:
            raise UserError(f"--d0 {d0} is out of range: pass 1 to {width}, the width of the representation.")
        if self.head == "group" and width < _GROUPS:
            raise UserError(f"--head group needs {_GROUPS} features or more, and {encoder.name} has {width}.")
        head = directclr_head(self.head, width, d0, views=len(self.view_sizes(encoder.image_size)))
        objective = grouped_infonce if self.head == "group" else infonce
        return JointEmbedding(encoder, head, partial(objective, temperature=self.temperature))


def grouped_infonce(z: Tensor, *, temperature: float) -> Terms:
    """The sum over 8 groups of features of z (V, N, D), as equal as D allows, of InfoNCE on each."""
    import torch

    from fullrank.losses import combine, infonce

    groups = [infonce(group, temperature=temperature)["loss"] for group in z.tensor_split(_GROUPS, dim=2)]
    return combine({"infonce": (1.0, torch.stack(groups).sum())})
