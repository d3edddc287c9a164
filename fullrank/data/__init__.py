"""Data: sources (name or path to images), batches by step, and augmented views of them. Importing it loads no torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fullrank.data.inventory import Inventory
from fullrank.data.options import DataOptions

if TYPE_CHECKING:
    from fullrank.data.batches import Batch, Order, plain_batches, train_batches
    from fullrank.data.centers import center_of_image, center_of_tensor
    from fullrank.data.channels import with_channels
    from fullrank.data.decode import as_gray_or_rgb, read_image, strict_decoding
    from fullrank.data.images import (
        Dataset,
        ImageFolder,
        ImageItems,
        ImageSet,
        ImageTensor,
        held_out,
        labeled,
        select,
        split,
    )
    from fullrank.data.sources.load import NAMES, load_dataset
    from fullrank.data.views.augmentation import Augmentation, Parameters, draw
    from fullrank.data.views.crops import crop_sizes, crop_views
    from fullrank.data.views.published import default_preset, preset
    from fullrank.data.views.views import Views

__all__ = [
    "NAMES",
    "Augmentation",
    "Batch",
    "DataOptions",
    "Dataset",
    "ImageFolder",
    "ImageItems",
    "ImageSet",
    "ImageTensor",
    "Inventory",
    "Order",
    "Parameters",
    "Views",
    "as_gray_or_rgb",
    "center_of_image",
    "center_of_tensor",
    "crop_sizes",
    "crop_views",
    "default_preset",
    "draw",
    "held_out",
    "labeled",
    "load_dataset",
    "plain_batches",
    "plain_rows",
    "preset",
    "read_image",
    "select",
    "split",
    "strict_decoding",
    "train_batches",
    "with_channels",
]

_FILES = {  # file -> what it holds
    "batches": ("Batch", "Order", "plain_batches", "plain_rows", "train_batches"),
    "channels": ("with_channels",),
    "centers": ("center_of_image", "center_of_tensor"),
    "decode": ("as_gray_or_rgb", "read_image", "strict_decoding"),
    "images": (
        "Dataset",
        "ImageFolder",
        "ImageItems",
        "ImageSet",
        "ImageTensor",
        "held_out",
        "labeled",
        "select",
        "split",
    ),
    "sources.load": ("NAMES", "load_dataset"),
    "views.augmentation": ("Augmentation", "Parameters", "draw"),
    "views.crops": ("crop_sizes", "crop_views"),
    "views.published": ("default_preset", "preset"),
    "views.views": ("Views",),
}


def __getattr__(name: str) -> Any:
    for file, names in _FILES.items():
        if name in names:
            return getattr(import_module(f"fullrank.data.{file}"), name)
    raise AttributeError(f"module 'fullrank.data' has no attribute {name!r}")
