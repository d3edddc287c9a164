"""Data: sources (name or path to images), batches by step, and augmented views of them."""

from __future__ import annotations

from fullrank.data.batches import Batch, plain_batches, train_batches
from fullrank.data.images import Dataset, ImageFolder, ImageSet, ImageTensor, labeled, select, split
from fullrank.data.sources.load import NAMES, load_dataset
from fullrank.data.views.augmentation import Augmentation, Parameters, draw
from fullrank.data.views.crops import crop_sizes, crop_views
from fullrank.data.views.published import default_preset, preset
from fullrank.data.views.views import Views

__all__ = [
    "NAMES",
    "Augmentation",
    "Batch",
    "Dataset",
    "ImageFolder",
    "ImageSet",
    "ImageTensor",
    "Parameters",
    "Views",
    "crop_sizes",
    "crop_views",
    "default_preset",
    "draw",
    "labeled",
    "load_dataset",
    "plain_batches",
    "preset",
    "select",
    "split",
    "train_batches",
]
