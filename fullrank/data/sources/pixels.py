"""Mean and standard deviation of the pixels of images in memory."""

from __future__ import annotations

import torch

from fullrank.data.images import Dataset, ImageTensor


def measured(name: str, train: ImageTensor, test: ImageTensor | None) -> Dataset:
    """Add the mean and standard deviation of each channel of `train`, in float64 from the counts of 256 levels."""
    levels = torch.arange(256, dtype=torch.float64) / 255
    mean, std = [], []
    for channel in range(train.channels):
        counts = torch.zeros(256, dtype=torch.float64)
        for part in train.images[:, channel].split(8192):
            counts += torch.bincount(part.flatten(), minlength=256)
        share = counts / counts.sum()
        mean.append(float(share @ levels))
        std.append(float((share @ (levels - mean[-1]) ** 2).sqrt()) or 1.0)  # constant images: divide by one
    return Dataset(name, train, test, tuple(mean), tuple(std))
