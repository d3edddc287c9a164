"""The settings that decide what is learned: flat, frozen, each field a flag. Importing them loads no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms
    from fullrank.methods import Method
    from fullrank.nn import Encoder


Network = Literal["encoder", "projector", "predictor"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that decide what is learned; a recipe file adds those of its loss and overrides `objective`."""

    data: str = "fashion-mnist"
    """digits, fashion-mnist, cifar10, cifar100, stl10, a folder of images, or an .npz file with `images`."""
    data_root: Path | None = None
    """Folder that holds, or receives, the named data set."""
    max_corrupt: float = 0.1
    """Share of unreadable images in a folder above which training is refused."""
    backbone: str = "tiny"
    """tiny, or any timm or torchvision model name."""
    image_size: int | None = None
    """Side of the square images in pixels; by default that of the data, 224 for a folder."""
    crops: str | None = None
    """Sizes of the views in pixels, such as 2x224,192,160,128,96; by default two of the image size."""
    projector: tuple[int, ...] = (512, 256)
    """Widths of the projector's layers, the last one is the embedding's."""
    views: str = "auto"
    """Augmentation: auto (by data), simclr, byol, cifar[-asymmetric], w2-study, hsr-byol[-imagenet], gray, digits."""
    epochs: float = 10.0
    """Passes over the data."""
    steps: int | None = None
    """Optimizer steps, instead of epochs."""
    batch_size: int = 256
    """Images per objective, over all processes together."""
    optimizer: Literal["adamw", "sgd", "lars"] = "adamw"
    """Biases and norms get no weight decay (and no layer-wise adaptation from LARS)."""
    lars_trust: float = 0.001
    """Share of a weight matrix's norm that lars moves it by at a learning rate of 1."""
    lr: float = 5e-3
    """Peak learning rate, as it is used: never scaled by the batch size."""
    weight_decay: float = 1e-4
    """Weight decay per step, times the learning rate."""
    warmup_epochs: float = 0.15
    """Linear warm-up per step, in epochs; then a cosine down to a thousandth of the peak."""
    w2: float = 0.0
    """Weight of W2 uniformity, added to the loss of any method."""
    w2_end: float | None = None
    """Its weight in the last epoch, reached linearly; by default it stays."""
    uniformity: float = 0.0
    """Weight of Wang-Isola uniformity, added likewise."""
    uniform_on: Literal["embedding", "prediction", "representation"] = "embedding"
    """What the added uniformity spreads: the trained projector's, predictor's or backbone's output."""
    energy: float = 0.0
    """Weight of the hyperspherical energy of the trained networks' weights, summed over layers; 1 to 10 acts."""
    energy_power: Literal[0, 1, 2] = 2
    """Power of the inverse distance; 0 is its logarithm."""
    energy_angular: bool = False
    """Distance by angle instead of chord."""
    energy_half_space: bool = False
    """Opposite rows count as redundant too."""
    energy_on: tuple[Network, ...] = ("encoder", "projector", "predictor")
    """Networks whose layers count, where the method has them."""
    seed: int = 0
    """Decides weights, order and augmentation."""

    def objective(self) -> Callable[[Tensor], Terms]:
        """The loss of embeddings z (V, N, D), with this recipe's weights."""
        raise NotImplementedError(f"{type(self).__name__} must say its objective")

    def view_sizes(self, image_size: int) -> tuple[int, ...]:
        """The sizes in pixels of the views of an image; UserError if `crops` cannot be read."""
        from fullrank.data import crop_sizes

        return (image_size, image_size) if self.crops is None else crop_sizes(self.crops)

    def build(self, encoder: Encoder) -> Method:
        """The trained module, from a fresh encoder: a projector and the objective on its output."""
        from fullrank.methods import JointEmbedding
        from fullrank.nn import mlp

        return JointEmbedding(encoder, mlp(encoder.width, self.projector), self.objective())
