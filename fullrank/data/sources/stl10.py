"""STL-10, by torchvision."""

from __future__ import annotations

from functools import partial

import torch

from fullrank.data.images import Dataset, ImageTensor
from fullrank.data.sources.torchvision_sets import Place, from_torchvision


def stl10(place: Place) -> Dataset:
    """Train on all 105,000 images of `train` and `unlabeled`, label -1 for the latter; test on `test`."""
    from torchvision.datasets import STL10

    parts = []
    for part in ("train+unlabeled", "test"):
        source = from_torchvision("stl10", place, partial(STL10, split=part))
        labels = torch.from_numpy(source.labels).long()
        parts.append(ImageTensor(torch.from_numpy(source.data), labels, tuple(source.classes)))
    return Dataset("stl10", parts[0], parts[1], (0.4467, 0.4398, 0.4066), (0.2603, 0.2566, 0.2713))
