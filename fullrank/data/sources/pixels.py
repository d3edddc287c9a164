"""Mean and standard deviation of pixels."""

from __future__ import annotations

import numpy as np
import torch

from fullrank.data.images import Dataset, ImageFolder, ImageItems, ImageTensor

_SOME = 256  # images whose pixels stand for those of all


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


def sampled(images: ImageFolder | ImageItems) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel, in [0, 1], over evenly spaced images."""
    rows = np.unique(np.linspace(0, len(images) - 1, _SOME).astype(int))
    count, total, squares = 0, np.zeros(images.channels), np.zeros(images.channels)
    for row in rows.tolist():
        pixels = np.asarray(images.open(row), dtype=np.float64).reshape(-1, images.channels) / 255
        count, total, squares = count + len(pixels), total + pixels.sum(0), squares + (pixels**2).sum(0)
    mean = total / count
    std = np.sqrt((squares / count - mean**2).clip(0))
    return tuple(mean.tolist()), tuple(float(value) or 1.0 for value in std)
