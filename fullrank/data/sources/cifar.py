"""CIFAR-10 and CIFAR-100, by torchvision."""

from __future__ import annotations

from functools import partial

import torch

from fullrank.data.images import Dataset, ImageTensor
from fullrank.data.sources.torchvision_sets import Place, from_torchvision


def cifar10(place: Place) -> Dataset:
    """Ten classes."""
    return _cifar("cifar10", place)


def cifar100(place: Place) -> Dataset:
    """A hundred classes."""
    return _cifar("cifar100", place)


def _cifar(name: str, place: Place) -> Dataset:
    from torchvision.datasets import CIFAR10, CIFAR100  # they unpickle, but only files with the right MD5

    kind = CIFAR10 if name == "cifar10" else CIFAR100
    parts = []
    for train in (True, False):
        source = from_torchvision(name, place, partial(kind, train=train))
        images = torch.from_numpy(source.data).permute(0, 3, 1, 2).contiguous()
        parts.append(ImageTensor(images, torch.tensor(source.targets), tuple(source.classes)))
    if name == "cifar10":
        return Dataset(name, parts[0], parts[1], (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    return Dataset(name, parts[0], parts[1], (0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
