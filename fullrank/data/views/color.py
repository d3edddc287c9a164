"""Color operations on a batch with one factor per sample; images are (n, C, P) in [0, 1], P pixels."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from fullrank.data.views.augmentation import OPERATIONS, Parameters

LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as in PIL and torchvision
TINY = 1e-12  # below every chroma that matters


@cache
def constant(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers as a tensor, made once: a GPU must not be waited for at every batch.

    >>> constant((0.5, 0.25), torch.float32, torch.device("cpu"))
    tensor([0.5000, 0.2500])
    """
    return torch.tensor(values, dtype=dtype).to(device, non_blocking=True)


def brightness(x: Tensor, factor: Tensor) -> Tensor:
    """x * factor, clamped, in place; x (n, C, P), factor (n,)."""
    return x.mul_(factor[:, None, None]).clamp_(max=1)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Away from the mean gray of each image, in place; x (n, C, P), factor (n,)."""
    mean = x.mean(dim=2)  # (n, C)
    if x.shape[1] == 3:
        mean = mean @ constant(LUMA, mean.dtype, mean.device)[:, None]
    return x.mul_(factor[:, None, None]).add_((mean * (1 - factor[:, None]))[..., None]).clamp_(0, 1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Away from the gray of each pixel, in place; x (n, 3, P), factor (n,)."""
    gray = luma(x).mul_(1 - factor[:, None, None])
    return x.mul_(factor[:, None, None]).add_(gray).clamp_(0, 1)


def luma(x: Tensor) -> Tensor:
    """The gray (n, 1, P) of images x (n, 3, P)."""
    red, green, blue = x.unbind(dim=1)
    return (red * LUMA[0]).add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])[:, None]


def hue(x: Tensor, shift: Tensor) -> Tensor:
    """Turn the hue of HSV by shift (n,), a share of the circle, in place; x (n, 3, P).

    On a circle of length 6 with red at 0, green at 2, and blue at -2, the distance of a color from red is
    (max - 2 min + green + blue - red) / chroma, and a channel of it is min + chroma * clamp(2 - d, 0, 1), where
    d is its distance from that channel: HSV without looking up sextants, exact also at the borders.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1)
    >>> hue(red, torch.tensor([1 / 6]))[0, :, 0].abs()  # yellow
    tensor([1., 1., 0.])
    """
    red, green, blue = x.unbind(dim=1)  # (n, P) each
    top = torch.maximum(red, green).clamp_(min=blue)
    low = torch.minimum(red, green).clamp_(max=blue)
    chroma = top - low
    angle = top.sub_(low, alpha=2).add_(green).add_(blue).sub_(red)
    angle.div_(chroma.clamp(min=TINY)).copysign_(green - blue)  # a gray has chroma 0: any angle will do
    angle.add_(6 * shift[:, None])
    angle.sub_((angle / 6).round_(), alpha=6)  # to [-3, 3]
    for channel, own in ((red, 0), (green, 2), (blue, -2)):
        distance = (angle - own).abs_().sub_(3).abs_()  # 3 - distance around the circle
        torch.addcmul(low, distance.sub_(1).clamp_(0, 1), chroma, out=channel)
    return x


def solarize(x: Tensor) -> Tensor:
    """Invert the upper half: x becomes 1 - x where x >= 1/2 (128 of 255); any shape."""
    return torch.minimum(x, 1 - x)


def jitter(x: Tensor, parameters: Parameters) -> Tensor:
    """torchvision's ColorJitter: each image's own operations in its own order; x (n, C, P).

    Only images of three channels have saturation and hue.
    """
    functions = (brightness, contrast, saturation, hue) if x.shape[1] == 3 else (brightness, contrast)
    turns = parameters.order.where(parameters.jitter[:, None], len(OPERATIONS))  # (n, k)
    image = torch.arange(len(x))  # the image that each row of x holds
    for turn in turns.unbind(dim=1):
        rows = turn[image].argsort()  # one run of rows for each operation, the untouched last
        x, image = x.index_select(0, rows.to(x.device, non_blocking=True)), image[rows]
        counts = turn.bincount(minlength=len(OPERATIONS) + 1).tolist()
        runs, images = x.split(counts), image.split(counts)
        for operation, function in enumerate(functions):
            factor = getattr(parameters, OPERATIONS[operation])[images[operation]]
            function(runs[operation], factor.to(x, non_blocking=True))
    return x.index_select(0, image.argsort().to(x.device, non_blocking=True))
