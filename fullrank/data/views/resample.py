"""Crop + flip + resize, and blur, as one matrix per sample and axis."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

BLUR_REACH = 5.0  # in sigmas: the uncut Gaussian is below 4e-6 of its peak beyond


def crop_matrix(
    start: Tensor,
    length: Tensor,
    flip: Tensor | None,
    *,
    inputs: int,
    outputs: int,
    interpolation: Literal["bilinear", "bicubic"],
) -> Tensor:
    """Matrices (n, outputs, inputs) that cut [start, start + length), mirror where flip, and resize to outputs.

    The weights are those of PIL's antialiased resize of the cut-out: a triangle or the cubic with a = -0.5,
    as wide as an output pixel (at least one input pixel), renormalized inside the crop.

    >>> start, length = torch.tensor([2]), torch.tensor([4])
    >>> crop_matrix(start, length, None, inputs=7, outputs=2, interpolation="bilinear")[0]
    tensor([[0.0000, 0.0000, 0.4286, 0.4286, 0.1429, 0.0000, 0.0000],
            [0.0000, 0.0000, 0.0000, 0.1429, 0.4286, 0.4286, 0.0000]])
    """
    start, length = start[:, None].float(), length[:, None].float()
    scale = length / outputs
    out = torch.arange(outputs, device=start.device) + 0.5  # (outputs,)
    if flip is not None:
        out = torch.where(flip[:, None], outputs - out, out)  # (n, outputs)
    center = start + out * scale  # (n, outputs)
    pixel = torch.arange(inputs, device=start.device) + 0.5  # (inputs,)
    width = scale.clamp(min=1)
    distance = (pixel - center[..., None]).div_(width[..., None]).abs_()  # (n, outputs, inputs)
    weights = _triangle(distance) if interpolation == "bilinear" else _cubic(distance)
    inside = (pixel > start) & (pixel < start + length)  # (n, inputs)
    weights *= inside[:, None]
    return weights.div_(weights.sum(dim=-1, keepdim=True))


def _triangle(distance: Tensor) -> Tensor:
    return distance.neg_().add_(1).clamp_(min=0)


def _cubic(distance: Tensor) -> Tensor:
    """Keys' cubic convolution kernel with a = -0.5 (as in PIL)."""
    x = distance.clamp_(max=2)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x < 1, near, far)


def blur_matrix(sigma: Tensor, *, size: int, kernel: int | None, reach: float) -> Tensor:
    """Matrices (n, size, size) that blur one axis with a Gaussian of sigma (n,) pixels, reflecting at the border.

    kernel: number of taps, as in torchvision's gaussian_blur; None takes all within 5 * reach pixels, where
    reach is the largest sigma. The border pixel is not repeated.

    >>> blur_matrix(torch.tensor([1.0]), size=3, kernel=3, reach=1.0)[0]
    tensor([[0.4519, 0.5481, 0.0000],
            [0.2741, 0.4519, 0.2741],
            [0.0000, 0.5481, 0.4519]])
    """
    radius = math.ceil(BLUR_REACH * reach) if kernel is None else kernel // 2
    taps = torch.arange(-radius, radius + 1, device=sigma.device)
    weights = torch.exp(-0.5 * (taps / sigma[:, None]) ** 2)  # (n, taps)
    weights = (weights / weights.sum(dim=1, keepdim=True)).float()
    pixels = torch.arange(size, device=sigma.device)
    period = max(2 * size - 2, 1)  # of the mirrored line of pixels
    source = (pixels + taps[:, None]).remainder(period)  # (taps, size)
    source = torch.minimum(source, period - source) if size > 1 else source
    hits = (source[..., None] == pixels).float()  # (taps, size, size)
    return torch.mm(weights, hits.flatten(1)).view(-1, size, size)


def resample(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """rows @ image @ columns^T for images (n, C, H, W), rows (n, S, H), columns (n, T, W); returns (n, C, S, T).

    >>> resample(torch.ones(1, 3, 4, 5), torch.ones(1, 2, 4), torch.ones(1, 6, 5))[0, 0]
    tensor([[20., 20., 20., 20., 20., 20.],
            [20., 20., 20., 20., 20., 20.]])
    """
    n, channels, height, width = images.shape
    wide = torch.bmm(images.reshape(n, channels * height, width), columns.mT)
    every = rows[:, None].expand(n, channels, *rows.shape[1:]).flatten(0, 1)  # faster than a broadcast matmul
    return torch.bmm(every, wide.view(n * channels, height, -1)).view(n, channels, rows.shape[1], -1)
