"""Images with as many channels as an encoder takes."""

from __future__ import annotations

from dataclasses import replace

import torch

from fullrank.data.images import Dataset, ImageSet, ImageTensor
from fullrank.errors import UserError


def with_channels(dataset: Dataset, channels: int) -> Dataset:
    """The same images with so many channels: gray is repeated, color read in gray; anything else is a UserError.

    >>> gray = ImageTensor(torch.full((2, 1, 4, 4), 7, dtype=torch.uint8), None, ())
    >>> with_channels(Dataset("mine", gray, None, (0.5,), (0.25,)), 3).inventory().line()
    'mine: 2 images, no labels, no test set; gray repeated in 3 channels, as the encoder takes'
    """
    given = dataset.train.channels
    if given == channels:
        return dataset
    if {given, channels} != {1, 3}:
        raise UserError(
            f"{dataset.name} has {given} channels and the encoder takes {channels}: pass images of {channels} channels."
        )
    what = "gray repeated in 3 channels" if channels == 3 else "read in gray"
    return replace(
        dataset,
        train=_converted(dataset.train),
        test=None if dataset.test is None else _converted(dataset.test),
        notes=(*dataset.notes, f"{what}, as the encoder takes"),
    )


def _converted(images: ImageSet) -> ImageSet:
    """Gray to color or color to gray."""
    if not isinstance(images, ImageTensor):
        return replace(images, channels=4 - images.channels, gray=images.channels == 1)
    if images.channels == 1:
        return replace(images, images=images.images.expand(-1, 3, -1, -1).contiguous())
    luma = torch.tensor([0.299, 0.587, 0.114])  # ITU-R 601, as in PIL
    gray = [(part.float() * luma.view(3, 1, 1)).sum(1, keepdim=True).round() for part in images.images.split(4096)]
    return replace(images, images=torch.cat(gray).to(torch.uint8))
