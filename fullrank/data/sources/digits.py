"""The digits inside scikit-learn."""

from __future__ import annotations

import numpy as np
import torch

from fullrank.data.images import Dataset, ImageTensor, split
from fullrank.data.sources.pixels import measured
from fullrank.data.sources.torchvision_sets import Place


def digits(_place: Place) -> Dataset:
    """The 8 x 8 digits inside scikit-learn, 0..16 scaled to 0..255; a stratified 400 of 1,797 are the test set."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = torch.from_numpy((data.images * (255 / 16)).round().astype(np.uint8)).unsqueeze(1)
    classes = tuple(str(name) for name in data.target_names)
    train, test = split(ImageTensor(images, torch.from_numpy(data.target).long(), classes), 400 / 1797, seed=0)
    return measured("digits", train, test)
