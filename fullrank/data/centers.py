"""The center of images at one size, as they are seen without augmentation."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from fullrank.data.pixels import Decoded


def center_of_image(image: Decoded, size: int) -> Tensor:
    """uint8 (C, size, size) of an image: its shorter side to round(8/7 size), then the center.

    >>> center_of_image(Image.new("RGB", (9999, 20)), 8).shape  # only what is inside is resized
    torch.Size([3, 8, 8])
    """
    side = min(image.size) * size / round(size * 8 / 7)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    square = image.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return torch.from_numpy(np.array(square)).view(size, size, -1).permute(2, 0, 1).contiguous()


def center_of_tensor(images: Tensor, size: int) -> Tensor:
    """uint8 (n, C, size, size) of uint8 (n, C, H, W): the shorter side to `size`, antialiased, then the center.

    >>> center_of_tensor(torch.zeros(2, 1, 8, 16, dtype=torch.uint8), 4).shape
    torch.Size([2, 1, 4, 4])
    """
    height, width = images.shape[2:]
    if min(height, width) != size:
        scale = size / min(height, width)
        shape = [max(size, round(height * scale)), max(size, round(width * scale))]
        wide = functional.interpolate(images.float(), shape, mode="bilinear", antialias=True)
        images = wide.round().clamp(0, 255).to(torch.uint8)
    top, left = (images.shape[2] - size) // 2, (images.shape[3] - size) // 2
    return images[:, :, top : top + size, left : left + size]
