"""The settings that decide what is learned, frozen: each field a flag, or a record of flags. No torch."""

# ruff: noqa: RUF009 (a default that is called here is a frozen record)

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from tyro.conf import arg

from fullrank.data.options import DataOptions
from fullrank.engine.options import GIVEN, ActsWith
from fullrank.errors import UserError
from fullrank.recipes._start import Start
from fullrank.recipes._stepping import Stepping
from fullrank.regularizers import Regularizer
from fullrank.regularizers.coding_rate import CodingRate
from fullrank.regularizers.energy import Energy
from fullrank.regularizers.uniformity import Uniformity
from fullrank.regularizers.w2 import W2

if TYPE_CHECKING:
    from torch import Tensor

    from fullrank.losses import Terms
    from fullrank.methods import Method
    from fullrank.nn import Encoder


Family = Literal[
    "contrastive",
    "self-distillation",
    "decorrelation",
    "whitening",
    "volume of the covariance",
    "distribution",
    "clustering",
    "control",
    "your own",
]
"""What keeps embeddings from collapsing: negatives, a teacher, statistics, or nothing (control)."""

CHOSEN = ("batch_size", "epochs", "lr", "warmup_epochs")  # None: chosen from data, network and machine


def _group(name: str) -> Any:
    """The name in --help of the flags of a record."""
    return arg(name=name, prefix_name=False)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The settings that decide what is learned; a recipe file adds those of its loss and overrides `objective`."""

    family: ClassVar[Family] = "your own"
    acts_with: ClassVar[ActsWith] = {
        "epochs": {"steps": None},
        "lars_trust": {"optimizer": "lars"},
        "uniform_on": {"w2": GIVEN, "w2_end": GIVEN, "uniformity": GIVEN},
        **{f"energy_{name}": {"energy": GIVEN} for name in ("power", "angular", "half_space", "on")},
    }
    """Flags that act only where one of some others has a value, as `require_acting` takes them."""

    data: Annotated[str | tuple[str, ...], arg(metavar="DATA [DATA ...]")] = "fashion-mnist"
    """digits, fashion-mnist, cifar10, cifar100, stl10, an .npz file with `images`, or folders and lists of images."""
    data_root: Path | None = None
    """Folder that holds, or receives, the named data set; by default /usr/share/datasets."""
    reading: Annotated[DataOptions, _group("data")] = DataOptions()
    backbone: str = "tiny"
    """tiny, tiny_residual, any timm or torchvision model name, or a network of your own as ./net.py:Net."""
    image_size: int | None = None
    """Side of the square images in pixels; by default that of the data, at most 224 for files."""
    crops: str | None = None
    """Sizes of the views in pixels, such as 2x224,192,160,128,96; by default two of the image size."""
    projector: tuple[int, ...] = (512, 256)
    """Widths of the projector's layers, the last one is the embedding's."""
    views: str = "auto"
    """Augmentation: auto (by data), simclr, byol, cifar[-asymmetric], w2-study, hsr-byol[-imagenet], moco-v2, moco-v3,
    simsiam-cifar, solo-symmetric, solo-weak, solo-vicreg, w-mse, gray, digits, or your own as ./augment.py:views."""
    epochs: float | None = None
    """Passes over the data; by default chosen from the number of images."""
    steps: int | None = None
    """Optimizer steps, instead of epochs; by default as many as the epochs have."""
    batch_size: int | None = None
    """Images per batch, over all processes together; by default chosen from the number of images and memory."""
    optimizer: Literal["adamw", "sgd", "lars"] = "adamw"
    """Biases and norms get no weight decay (and no layer-wise adaptation from LARS)."""
    lars_trust: float = 0.001
    """Trust coefficient of LARS: share of a weight matrix's norm that a step at a learning rate of 1 moves it by."""
    lr: float | None = None
    """Peak learning rate, never scaled by the batch size; by default chosen from optimizer and backbone."""
    weight_decay: float = 1e-4
    """Weight decay per step, times the learning rate."""
    warmup_epochs: float | None = None
    """Linear warm-up, in epochs, by default chosen from the steps; then a cosine down to a thousandth of the peak."""
    stepping: Annotated[Stepping, _group("gradient clipping and weight decay")] = Stepping()
    start: Annotated[Start, _group("pretrained weights")] = Start()
    w2: Annotated[W2, _group("W2 uniformity")] = W2()
    uniformity: Annotated[Uniformity, _group("Wang-Isola uniformity")] = Uniformity()
    uniform_on: Literal["embedding", "prediction", "representation"] = "embedding"
    """What --w2 and --uniformity spread: the trained projector's, predictor's or backbone's output."""
    energy: Annotated[Energy, _group("weight energy")] = Energy()
    coding_rate: Annotated[CodingRate, _group("coding rate")] = CodingRate()
    seed: int = 0
    """Seed of the initial weights, the order of the images and the augmentation."""

    def __post_init__(self) -> None:
        """Refuse a number in the place of a record, and a setting of a subclass with the name of a record's flag."""
        flags = [field.name for field in fields(self) if field.name not in self.records()]
        for field in fields(Recipe):
            kind, value = type(field.default), getattr(self, field.name)
            if is_dataclass(kind) and not isinstance(value, kind):
                raise UserError(
                    f"{type(self).__name__} got {field.name}={value!r}: pass {kind.__name__}({value!r}), "
                    f"from {kind.__module__}."
                )
        for record in self.records().values():
            for field in fields(record):
                if field.name in flags:
                    raise UserError(
                        f"{type(self).__name__} has a setting {field.name}, which is a flag of "
                        f"{type(record).__name__}, from {type(record).__module__}: give it another name."
                    )

    def records(self) -> dict[str, Any]:
        """The fields that hold flags of their own, by name; their flags stand beside those of the recipe."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if is_dataclass(value)}

    def regularizers(self) -> dict[str, Regularizer]:
        """The terms that flags add to the loss of any method, by the name of their field."""
        return {name: value for name, value in self.records().items() if isinstance(value, Regularizer)}

    def objective(self) -> Callable[[Tensor], Terms]:
        """The loss of embeddings z (V, N, D), with this recipe's weights."""
        raise NotImplementedError(f"{type(self).__name__} must say its objective")

    def view_sizes(self, image_size: int) -> tuple[int, ...]:
        """The sizes in pixels of the views of an image; raises UserError if `crops` cannot be read."""
        from fullrank.data import crop_sizes

        return (image_size, image_size) if self.crops is None else crop_sizes(self.crops)

    def build(self, encoder: Encoder) -> Method:
        """The trained module, from a fresh encoder: a projector and the objective on its output."""
        from fullrank.methods import JointEmbedding
        from fullrank.nn import mlp

        return JointEmbedding(encoder, mlp(encoder.width, self.projector), self.objective())
